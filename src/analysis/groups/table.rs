//! The table of `sinkctl stats --by`.
use std::collections::BTreeMap;

use super::names::{GroupTally, TopGroups};
use super::reading::{GroupCounts, GroupCriteria};
use crate::analysis::counting::MissingMessages;
use crate::analysis::transit::{OverallTransit, TransitFigures};
use crate::analysis::words::rfc3339;
use crate::smtp::deviation::Deviation;
use crate::stats::Percentiles;
use crate::time::UnixNs;
use crate::wording::readable;
use serde::Serialize;

/// The table in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct GroupTable {
    /// The property of the groups: a name of [`GroupBy`](super::GroupBy).
    pub by: &'static str,
    /// The time of the first message (RFC 3339), to a tenth of a second; null if there is none.
    pub from: Option<String>,
    /// The time of the last message.
    pub until: Option<String>,
    /// The seconds between the two, on which rates are based.
    pub seconds: f64,
    /// Messages in the table. A message for recipients in several domains counts once here, and
    /// once in each of their groups.
    pub messages: u64,
    /// Forward-paths of these messages.
    pub recipients: u64,
    /// Size of these messages in octets (RFC 1870).
    pub bytes: u64,
    /// The named groups, most messages first.
    pub groups: Vec<GroupRow>,
    /// The groups that are not named; null if there are none.
    pub others: Option<OtherGroups>,
    /// Messages that were accepted, but are not in the table, by reason.
    pub missing: MissingMessages,
    /// Transit times; each message counts once. Only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<OverallTransit>,
}

/// A named group: a row of the table.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    /// The name; null for recipients without a domain, and for unknown clients and users.
    pub name: Option<String>,
    /// What was counted of the group; its keys are keys of the row.
    #[serde(flatten)]
    pub figures: GroupFigures,
}

/// All groups that are not named, added up.
#[derive(Debug, Serialize)]
pub struct OtherGroups {
    /// The number of these groups; null if there are more names than can be counted separately.
    pub groups: Option<u64>,
    /// The maximum number of messages of any of these groups; only an upper bound if `groups` is
    /// null.
    pub messages_max: u64,
    /// What was counted of all of them together.
    #[serde(flatten)]
    pub figures: GroupFigures,
}

/// What was counted of one group, or of several.
#[derive(Debug, Serialize)]
pub struct GroupFigures {
    /// Messages of the group; with several domains, a message counts in each.
    pub messages: u64,
    /// Forward-paths in the group.
    pub recipients: u64,
    /// Size of these messages in octets (RFC 1870).
    pub bytes: u64,
    /// The mean rate over `seconds`.
    pub messages_per_s: f64,
    /// These messages as a share of all in the table, from 0 to 1.
    pub share: f64,
    /// Messages with a tolerated deviation, by kind; kinds without messages are left out.
    pub deviations: BTreeMap<&'static str, u64>,
    /// Transaction times of these messages, in µs.
    pub transaction_us: Percentiles,
    /// Transit times; only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<TransitFigures>,
}

impl GroupTable {
    /// Makes the table from the counts of a span. `top` has the groups to name, and the rest.
    /// `log_faults` is the number of parts of the log that are damaged.
    pub fn new(
        criteria: GroupCriteria<'_>,
        counted: &GroupCounts,
        top: TopGroups,
        missing: MissingMessages,
        log_faults: u64,
    ) -> GroupTable {
        let transits = counted.transits.as_ref().zip(criteria.sent_field);
        let transit = transits.map(|(transits, field)| OverallTransit {
            field: field.to_owned(),
            all: transits.figures(),
            missing: missing.messages,
            damaged: counted.unread.damaged,
            log_faults,
        });
        let tenths = counted.times_ns.map(|(first, last)| (first.tenth(), last.tenth() + 1));
        let time = |tenth: u64| rfc3339(UnixNs::of_tenth(tenth));
        let seconds = tenths.map_or(0.0, |(first, end)| (end - first) as f64 / 10.0);
        let figures = |group: &GroupTally| GroupFigures::of(group, counted.messages, seconds);
        let others = (top.others.messages > 0).then(|| OtherGroups {
            groups: top.others_names,
            messages_max: top.others_messages_max,
            figures: figures(&top.others),
        });
        let row = |(name, group): &(Box<[u8]>, GroupTally)| GroupRow {
            name: Some(&**name).filter(|name| !name.is_empty()).map(readable),
            figures: figures(group),
        };
        GroupTable {
            by: criteria.by.name(),
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
    /// `messages` is the total of the table, at least 1, received in `seconds`.
    fn of(group: &GroupTally, messages: u64, seconds: f64) -> GroupFigures {
        let counts = group.deviations.as_deref().copied().unwrap_or_default();
        let deviations = Deviation::ALL.into_iter().map(Deviation::name).zip(counts);
        GroupFigures {
            deviations: deviations.filter(|(_, messages)| *messages > 0).collect(),
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
