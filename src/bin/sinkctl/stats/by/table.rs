//! The table of `sinkctl stats --by`.
use std::collections::BTreeMap;

use serde::Serialize;
use sinkd::smtp::deviation::Deviation;
use sinkd::stats::Percentiles;

use super::groups::{Group, Top};
use super::missing::Missing;
use super::reading::{Asks, Counted};
use crate::base::print::{readable, rfc3339};
use crate::stats::transit::{Overall, Transit};

const TENTH_NS: u64 = 100_000_000;

/// The table in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct Table {
    pub by: &'static str,
    /// RFC 3339, of the first and the last message, to a tenth of a second; null without any.
    pub from: Option<String>,
    pub until: Option<String>,
    /// Between them: what rates are over.
    pub seconds: f64,
    /// Those in the table, each once.
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Most messages first.
    pub groups: Vec<Row>,
    /// What is not shown; null: nothing.
    pub others: Option<Others>,
    pub missing: Missing,
    /// Of all messages, each once; only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<Overall>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    /// "" for recipients without a domain, and for clients that are not known.
    pub name: String,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Serialize)]
pub struct Others {
    /// Null: more than could be told apart.
    pub groups: Option<u64>,
    /// No group of them has more.
    pub messages_max: u64,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Serialize)]
pub struct Figures {
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Mean over `seconds`.
    pub messages_per_s: f64,
    /// Of all messages in the table.
    pub share: f64,
    /// Messages that broke a rule which was tolerated, by kind; kinds without any are left out.
    pub deviations: BTreeMap<&'static str, u64>,
    pub transaction_us: Percentiles,
    /// Only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<Transit>,
}

impl Table {
    pub fn of(asks: Asks<'_>, counted: &Counted, top: Top, missing: Missing) -> Table {
        let transits = counted.transits.as_ref().zip(asks.sent_field);
        let transit = transits.map(|(transits, field)| Overall {
            field: field.to_owned(),
            all: transits.figures(),
            missing: missing.messages,
            damaged: counted.damaged,
        });
        let tenths = counted.times_ns.map(|(first, last)| (first / TENTH_NS, last / TENTH_NS + 1));
        let time = |tenth: u64| rfc3339(tenth * TENTH_NS);
        let seconds = tenths.map_or(0.0, |(first, end)| (end - first) as f64 / 10.0);
        let figures = |group: &Group| Figures::of(group, counted.messages, seconds);
        let others = (top.others.messages > 0).then(|| Others {
            groups: top.others_names,
            messages_max: top.others_messages_max,
            figures: figures(&top.others),
        });
        let row = |(name, group): &(Box<[u8]>, Group)| Row {
            name: readable(name),
            figures: figures(group),
        };
        Table {
            by: asks.by.name(),
            from: tenths.map(|(first, _)| time(first)),
            until: tenths.map(|(_, end)| time(end)),
            seconds,
            messages: counted.messages,
            recipients: counted.recipients,
            bytes: counted.bytes,
            groups: top.named.iter().map(row).collect(),
            others,
            missing,
            transit,
        }
    }
}

impl Figures {
    /// `messages`: all in the table, of which there is one at least; `seconds`: their time.
    fn of(group: &Group, messages: u64, seconds: f64) -> Figures {
        let counts = group.broken.as_deref().copied().unwrap_or_default();
        let broken = Deviation::ALL.into_iter().map(Deviation::name).zip(counts);
        Figures {
            deviations: broken.filter(|(_, messages)| *messages > 0).collect(),
            messages: group.messages,
            recipients: group.recipients,
            bytes: group.bytes,
            messages_per_s: group.messages as f64 / seconds,
            share: group.messages as f64 / messages as f64,
            transit: group.transits.as_ref().map(|transits| transits.figures()),
            transaction_us: group.times.as_deref().map(Percentiles::of).unwrap_or_default(),
        }
    }
}
