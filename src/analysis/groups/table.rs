//! The table of `sinkctl stats --by`.
use std::collections::BTreeMap;

use super::super::missing::MissingMessages;
use super::super::transit::{OverallTransit, TransitFigures};
use super::super::words::{readable, rfc3339};
use super::names::{GroupTally, TopGroups};
use super::reading::{GroupCounts, GroupCriteria};
use crate::smtp::deviation::Deviation;
use crate::stats::Percentiles;
use serde::Serialize;

const TENTH_NS: u64 = 100_000_000;

/// The table in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct GroupTable {
    /// What makes a group: a name of [`GroupBy`](super::GroupBy).
    pub by: &'static str,
    /// RFC 3339, of the first and the last message, to a tenth of a second; null without any.
    pub from: Option<String>,
    /// The time of the last message.
    pub until: Option<String>,
    /// Between them: what rates are over.
    pub seconds: f64,
    /// Messages in the table, each once.
    pub messages: u64,
    /// Their forward-paths.
    pub recipients: u64,
    /// Their octets.
    pub bytes: u64,
    /// Most messages first.
    pub groups: Vec<GroupRow>,
    /// What is not shown; null: nothing.
    pub others: Option<OtherGroups>,
    /// Messages that are not in the table.
    pub missing: MissingMessages,
    /// Transit times of all messages, each once; only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<OverallTransit>,
}

/// A group with its name.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    /// "" for recipients without a domain, and for clients that are not known.
    pub name: String,
    /// What it comes to.
    #[serde(flatten)]
    pub figures: GroupFigures,
}

/// All groups that are not shown.
#[derive(Debug, Serialize)]
pub struct OtherGroups {
    /// Number of these groups; null: more names than could be counted separately.
    pub groups: Option<u64>,
    /// Upper bound on the messages of each of these groups.
    pub messages_max: u64,
    /// What they come to together.
    #[serde(flatten)]
    pub figures: GroupFigures,
}

/// What a group comes to.
#[derive(Debug, Serialize)]
pub struct GroupFigures {
    /// Accepted messages.
    pub messages: u64,
    /// Forward-paths in the group.
    pub recipients: u64,
    /// Octets of the messages.
    pub bytes: u64,
    /// Mean over `seconds`.
    pub messages_per_s: f64,
    /// Share of all messages in the table.
    pub share: f64,
    /// Messages that broke a rule which was tolerated, by kind; kinds without any are left out.
    pub deviations: BTreeMap<&'static str, u64>,
    /// Times of transactions, us.
    pub transaction_us: Percentiles,
    /// Only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<TransitFigures>,
}

impl GroupTable {
    /// The table of what was counted.
    pub fn of(
        asks: GroupCriteria<'_>,
        counted: &GroupCounts,
        top: TopGroups,
        missing: MissingMessages,
    ) -> GroupTable {
        let transits = counted.transits.as_ref().zip(asks.sent_field);
        let transit = transits.map(|(transits, field)| OverallTransit {
            field: field.to_owned(),
            all: transits.figures(),
            missing: missing.messages,
            damaged: counted.unread.damaged,
        });
        let tenths = counted.times_ns.map(|(first, last)| (first / TENTH_NS, last / TENTH_NS + 1));
        let time = |tenth: u64| rfc3339(tenth * TENTH_NS);
        let seconds = tenths.map_or(0.0, |(first, end)| (end - first) as f64 / 10.0);
        let figures = |group: &GroupTally| GroupFigures::of(group, counted.messages, seconds);
        let others = (top.others.messages > 0).then(|| OtherGroups {
            groups: top.others_names,
            messages_max: top.others_messages_max,
            figures: figures(&top.others),
        });
        let row = |(name, group): &(Box<[u8]>, GroupTally)| GroupRow {
            name: readable(name),
            figures: figures(group),
        };
        GroupTable {
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

impl GroupFigures {
    /// `messages`: all in the table, of which there is one at least, in `seconds`.
    fn of(group: &GroupTally, messages: u64, seconds: f64) -> GroupFigures {
        let counts = group.broken.as_deref().copied().unwrap_or_default();
        let broken = Deviation::ALL.into_iter().map(Deviation::name).zip(counts);
        GroupFigures {
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
