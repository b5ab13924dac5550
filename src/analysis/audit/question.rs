//! What a caller asks of an audit.
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use super::deliveries::{MessageRule, SelectedMessages};
use super::doubt::AuditDoubt;
use super::expectation::NumberRange;
use super::list::{ListRule, RowRule};
use super::names::FolderNames;
use super::order::OrderRule;

/// The list of expected recipients.
pub struct ExpectedList<'a> {
    /// The octets of a CSV file, read once from beginning to end.
    pub input: Box<dyn Read + 'a>,
    /// How the file is read.
    pub rule: ListRule,
}

/// What an audit checks, and how much memory it may use.
pub struct AuditQuestion<'a> {
    /// What to read and check of each message.
    pub messages: MessageRule,
    /// The expected recipients; `None`: numbers are expected, or nothing.
    pub list: Option<ExpectedList<'a>>,
    /// The expected numbers, for numeric keys without a list.
    pub numbers: NumberRange,
    /// Logs of the sender to compare with what was received; empty: none.
    pub logs: Vec<PathBuf>,
    /// Maximum difference between the clocks of these logs and of sinkd.
    pub clocks_within: Duration,
    /// Whether a number that arrives after a higher one is a fault.
    pub order: OrderRule,
    /// The messages to audit, by folder; `None` selects all of the span.
    pub selected: Option<SelectedMessages>,
    /// Why the selection may be incomplete.
    pub doubts: Vec<AuditDoubt>,
    /// Whether the list may have several rows about one recipient.
    pub rows: RowRule,
    /// Names of the folders, to name the messages of offenders.
    pub names: FolderNames,
    /// Memory for records, in octets. Further records go to temporary files.
    pub memory_bytes: usize,
}

/// What an audit is doing, and what its progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditStage {
    /// Reading logs of the sender: octets done, and in total.
    Logs,
    /// Reading envelopes: messages done, and in total.
    Envelopes,
    /// Reading messages that can decide something: tasks started, and in total.
    Bodies,
}
