//! The result of an audit, as in `--json`.
use serde::Serialize;

use super::doubt::AuditDoubt;
use super::log_join::LogTally;
use crate::analysis::counting::MissingMessages;
use crate::analysis::words::sentences;

/// Whether each recipient got exactly one message, and all other checks passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditConclusion {
    /// Each recipient did, no other recipient got a message, and no other fault was found.
    ExactlyOnce,
    /// At least one recipient did not, another recipient got a message, or another fault was found.
    NotExactlyOnce,
    /// No recipients were expected, the logs of the sender agree with what was received, and no
    /// other fault was found.
    AsLogged,
    /// No recipients were expected, and the logs of the sender disagree with what was received, or
    /// another fault was found.
    NotAsLogged,
    /// Something needed for the answer is missing.
    Inconclusive,
}

/// The result of an audit: the object of `sinkctl audit --json` without its offenders. Keys keep
/// their meaning.
#[derive(Debug, Serialize)]
pub struct AuditFigures {
    /// Whether each recipient got exactly one message, and all other checks passed. Inconclusive if
    /// doubts could change that.
    #[serde(rename = "verdict")]
    pub conclusion: AuditConclusion,
    /// Why the figures may be incomplete.
    #[serde(serialize_with = "sentences")]
    pub doubts: Vec<AuditDoubt>,
    /// Messages of the span, or of the selection, whose envelope could be read.
    pub messages: u64,
    /// Forward-paths of these messages.
    pub recipients: u64,
    /// What was expected; null if nothing was.
    pub expected: Option<ExpectedFigures>,
    /// Recipients with at least one message.
    pub delivered: u64,
    /// Recipients with several messages.
    pub repeated: RepeatedFigures,
    /// Recipients, or messages, that have no key.
    pub without_key: u64,
    /// Only with --must-contain.
    pub persons: Option<PersonFigures>,
    /// Only with --check-content.
    pub content: Option<ContentFigures>,
    /// Only with --sequence or --in-order.
    pub order: Option<OrderFigures>,
    /// Only with --late-after.
    pub late: Option<LateFigures>,
    /// Only with --sender-log.
    pub sender_log: Option<LogFigures>,
    /// Messages that were accepted but could not be audited.
    pub missing_messages: MissingMessages,
}

/// What was expected.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExpectedFigures {
    /// The column with the key; null if numbers were expected.
    pub column: Option<String>,
    /// Rows of the list with a key, repeated ones included; 0 if numbers were expected.
    pub rows: u64,
    /// Rows of the list that could not be used.
    pub bad_rows: u64,
    /// Rows whose recipient already has an earlier row.
    pub repeated_rows: u64,
    /// Distinct recipients in the list, or expected numbers.
    pub recipients: u64,
    /// Recipients with exactly one message.
    pub once: u64,
    /// Recipients without any.
    pub missing: u64,
    /// Recipients that were not expected.
    pub unexpected: u64,
    /// Messages that these unexpected recipients got.
    pub unexpected_messages: u64,
}

/// Recipients with several messages, by what at least two of the messages have in common.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepeatedFigures {
    /// Recipients with several messages, expected or not; 0 without a list and expected numbers.
    pub recipients: u64,
    /// Messages that these recipients got beyond the first.
    pub extra_messages: u64,
    /// How often a message names a recipient again; such a message counts once.
    pub named_again: u64,
    /// The same Message-ID and the same content.
    pub same_message_id_and_content: u64,
    /// The same Message-ID, but different or unknown content.
    pub same_message_id: u64,
    /// The same content, but a different or unknown Message-ID.
    pub same_content: u64,
    /// Neither the same Message-ID nor the same content.
    pub different: u64,
    /// Unknown, because the content of a copy is not stored in full or no longer readable.
    pub unknown: u64,
    /// The 250 for the first copy was sent, so the sender had no reason to send another.
    pub first_acknowledged: u64,
    /// The reply to the first copy could not be sent.
    pub first_ambiguous: u64,
}

/// Messages checked for the values of their recipient. A message counts once for each of its
/// recipients in the list.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct PersonFigures {
    /// Messages that were checked.
    pub checked: u64,
    /// Messages that lack at least one of the values.
    pub wrong: u64,
    /// Messages that could not be checked because they are not stored in full.
    pub not_stored: u64,
    /// Messages whose recipient has no values in the list.
    pub without_value: u64,
}

/// Messages compared with their checksum.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContentFigures {
    /// Messages that were compared with their checksum.
    pub checked: u64,
    /// Messages that do not match their checksum.
    pub changed: u64,
    /// Messages that are stored in full, but have no checksum.
    pub without_checksum: u64,
    /// Messages that could not be checked because they are not stored in full.
    pub not_stored: u64,
}

/// Whether numbers arrived in ascending order.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderFigures {
    /// Whether a wrong order is a fault (--in-order).
    pub is_required: bool,
    /// Messages that arrived after one with a higher number.
    pub out_of_order: u64,
    /// The largest distance to the highest earlier number.
    pub distance_max: u64,
}

/// Messages compared with a limit on their transit time.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LateFigures {
    /// Messages with a transit time.
    pub checked: u64,
    /// Messages whose transit time exceeds the limit.
    pub late: u64,
    /// Messages without a usable sending time: no field, no time in it, or not stored.
    pub without_time: u64,
}

/// The claims in logs of the sender, compared with what was received.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogFigures {
    /// Lines of all logs together, usable or not.
    pub lines: u64,
    /// Lines that claim a delivery and name an id of sinkd.
    pub lines_with_id: u64,
    /// Lines that can't be used, and may claim a delivery.
    pub bad_lines: u64,
    /// Logs that end in the middle of a line or of compressed data.
    pub cut_logs: u64,
    /// Claims and deliveries, matched.
    #[serde(flatten)]
    pub joined: LogTally,
}
