//! What an audit comes to, as `--json` has it.
use serde::Serialize;

use super::super::missing::MissingMessages;
use super::log_join::LogTally;

/// The answer to the question whether each recipient got exactly one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Each one did, and no other recipient got any.
    ExactlyOnce,
    /// At least one did not.
    NotExactlyOnce,
    /// No recipients were expected, and the logs of the sender are right.
    AsLogged,
    /// No recipients were expected, and the logs of the sender are wrong.
    NotAsLogged,
    /// Something that is needed for an answer is missing.
    Inconclusive,
}

/// What an audit comes to: the object of `sinkctl audit --json` without its offenders. Keys keep
/// their meaning.
#[derive(Debug, Serialize)]
pub struct AuditFigures {
    /// The answer.
    pub verdict: Verdict,
    /// Why the figures may be incomplete, a sentence for each reason.
    pub doubts: Vec<String>,
    /// Messages that were looked at.
    pub messages: u64,
    /// Their recipients.
    pub recipients: u64,
    /// What was expected; null: nothing was.
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
    /// Only with --sequence.
    pub order: Option<OrderFigures>,
    /// Only with --late-after.
    pub late: Option<LateFigures>,
    /// Only with --sender-log.
    pub sender_log: Option<LogFigures>,
    /// Messages that were accepted and could not be looked at.
    pub missing_messages: MissingMessages,
}

/// What was expected.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExpectedFigures {
    /// The column with the key; null: numbers were expected.
    pub column: Option<String>,
    /// Rows of the list that could be used.
    pub rows: u64,
    /// Rows that could not.
    pub bad_rows: u64,
    /// Rows about a recipient that an earlier row is about.
    pub repeated_rows: u64,
    /// Different recipients, or numbers.
    pub recipients: u64,
    /// Recipients with exactly one message.
    pub once: u64,
    /// Recipients without any.
    pub missing: u64,
    /// Recipients that were not expected.
    pub unexpected: u64,
    /// Messages that these got.
    pub unexpected_messages: u64,
}

/// Recipients with several messages, by what two of these have in common.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepeatedFigures {
    /// All of them.
    pub recipients: u64,
    /// Messages beyond the first of each.
    pub extra_messages: u64,
    /// Times that a message names a recipient once more, which does not make it two messages.
    pub named_again: u64,
    /// The same Message-ID and the same content.
    pub same_message_id_and_content: u64,
    /// The same Message-ID with another content.
    pub same_message_id: u64,
    /// The same content with another Message-ID.
    pub same_content: u64,
    /// Neither.
    pub different: u64,
    /// Not stored, or no longer readable.
    pub unknown: u64,
    /// The first copy was acknowledged.
    pub first_acknowledged: u64,
    /// The reply to the first copy could not be sent.
    pub first_ambiguous: u64,
}

/// Messages that were held to what belongs to their recipient.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct PersonFigures {
    /// Messages that were searched, once for each recipient.
    pub checked: u64,
    /// Those that lack a value.
    pub wrong: u64,
    /// Those that are not stored whole.
    pub not_stored: u64,
    /// Those whose recipient has no values in the list.
    pub without_value: u64,
}

/// Messages that were held to their checksum.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContentFigures {
    /// Messages with a checksum.
    pub checked: u64,
    /// Those that do not fit it.
    pub changed: u64,
    /// Messages without a checksum.
    pub without_checksum: u64,
    /// Messages that are not stored whole.
    pub not_stored: u64,
}

/// The order in which numbers arrived.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderFigures {
    /// Whether that is a fault (--in-order).
    pub is_required: bool,
    /// Messages that arrived after one with a higher number.
    pub out_of_order: u64,
    /// The largest distance to the highest number before.
    pub distance_max: u64,
}

/// Messages that were held to a limit on their transit time.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LateFigures {
    /// Messages with a transit time.
    pub checked: u64,
    /// Those that came too late.
    pub late: u64,
    /// Messages that do not say when they were sent.
    pub without_time: u64,
}

/// What logs of the sender claim, beside what was received.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogFigures {
    /// Lines of all logs.
    pub lines: u64,
    /// Lines that claim a delivery by an id of sinkd.
    pub lines_with_id: u64,
    /// Lines that can't be used.
    pub bad_lines: u64,
    /// Logs whose end is missing.
    pub cut_logs: u64,
    /// The claims, and what was received.
    #[serde(flatten)]
    pub joined: LogTally,
}
