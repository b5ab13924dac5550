//! Why transit times may be incomplete, or cannot be judged.
use std::fmt;

use super::words::seconds;
use crate::wording::counted;

/// Why claims about transit times can't be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitGap {
    /// Messages are damaged.
    #[error("{} damaged", counted(*.0, "message is", "messages are"))]
    Damaged(u64),
    /// Segments can't be read, or their counts or flags are damaged.
    #[error("{} damaged", counted(*.0, "part of the log is", "parts of the log are"))]
    DamagedLog(u64),
    /// The log has no message in the span.
    #[error("the log has no message here{}", after_colon(.0))]
    NoMessage(Option<TransitOmissions>),
    /// No message has a sending time.
    #[error("no message has a time in {field}{}", after_colon(left_out))]
    NoTime {
        /// The name of the header field.
        field: String,
        /// The messages without a time.
        left_out: Option<TransitOmissions>,
    },
    /// A message arrived before it was sent, by more than rounding explains.
    #[error(
        "clocks differ: {} arrived before being sent, by up to {}",
        counted(*messages, "message", "messages"),
        seconds(*by_us_max as f64 / 1e6)
    )]
    ClocksDiffer {
        /// The number of messages that arrived before they were sent, by any time.
        messages: u64,
        /// The longest time by which one of them arrived too early, in µs.
        by_us_max: u64,
    },
}

/// The messages without a transit time, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransitOmissions {
    /// Messages without the field.
    pub without_field: u64,
    /// Messages whose field has no time in a known format.
    pub unreadable: u64,
    /// Messages whose header was not stored.
    pub not_stored: u64,
    /// Messages whose envelope is no longer readable in the log; `None` if their number is unknown.
    pub missing: Option<u64>,
}

impl TransitOmissions {
    /// Returns whether every message is known to have a transit time.
    pub fn is_nothing(&self) -> bool {
        self.without_field + self.unreadable + self.not_stored == 0 && self.missing == Some(0)
    }
}

impl fmt::Display for TransitOmissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [
            (self.without_field, "without the field"),
            (self.unreadable, "with a value that is not a time"),
            (self.not_stored, "whose header was not stored"),
            (self.missing.unwrap_or(0), "no longer in the log, damaged, or only counted"),
        ];
        let reasons = reasons.into_iter().filter(|(messages, _)| *messages > 0);
        let mut texts: Vec<_> =
            reasons.map(|(messages, why)| format!("{messages} {why}")).collect();
        if self.missing.is_none() {
            texts.push("an unknown number no longer in the log, or only counted".into());
        }
        f.write_str(&texts.join(", "))
    }
}

fn after_colon(left_out: &Option<TransitOmissions>) -> String {
    left_out.map_or(String::new(), |left_out| format!(": {left_out}"))
}
