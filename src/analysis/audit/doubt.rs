//! Why the figures of an audit may be incomplete.
use crate::analysis::counting::MissingMessages;
use crate::wording::counted;

/// Why the figures of an audit may be incomplete. Each number is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditDoubt {
    /// The messages to audit were selected by a query, which was not compared with every message.
    #[error("the query could not be evaluated for all messages")]
    Selection,
    /// The span comes from a run whose start or end may be missing.
    #[error(
        "a line of events.jsonl is damaged, so the run may have begun or ended at another time"
    )]
    Span,
    /// Segments are damaged, or can't be opened.
    #[error("{}", counted(
        *.0,
        "segment is damaged or cannot be read",
        "segments are damaged or cannot be read"
    ))]
    FaultySegments(u64),
    /// The statistics count messages that the log neither has nor records as dropped.
    #[error("{}", counted(
        *.0,
        "message in the statistics is missing from the log, which does not say why",
        "messages in the statistics are missing from the log, which does not say why"
    ))]
    Vanished(u64),
    /// Messages arrived after the folders were opened.
    #[error("{}", counted(
        *.0,
        "message arrived during the audit",
        "messages arrived during the audit"
    ))]
    Arrived(u64),
    /// Rows of the list can't be used.
    #[error("{}", counted(
        *.0,
        "row of the list cannot be used",
        "rows of the list cannot be used"
    ))]
    BadRows(u64),
    /// Rows of the list repeat a recipient, which the caller does not allow.
    #[error("{}", counted(
        *.0,
        "row of the list repeats a recipient",
        "rows of the list repeat a recipient"
    ))]
    RepeatedRows(u64),
    /// Messages whose envelope was read could not be read again for their content.
    #[error("{}", counted(
        *.0,
        "message could not be read a second time",
        "messages could not be read a second time"
    ))]
    UnreadBodies(u64),
    /// Messages can't be searched for the values of their recipient.
    #[error("{}", counted(
        *.0,
        "message was not stored in full, so its content cannot be checked",
        "messages were not stored in full, so their content cannot be checked"
    ))]
    BodiesNotStored(u64),
    /// Messages can't be compared with their checksum.
    #[error("{}", counted(
        *.0,
        "message was not stored in full, so its checksum cannot be verified",
        "messages were not stored in full, so their checksums cannot be verified"
    ))]
    ChecksumsNotStored(u64),
    /// Messages have no sending time to compute their transit time from.
    #[error("{}", counted(
        *.0,
        "message does not say when it was sent",
        "messages do not say when they were sent"
    ))]
    WithoutTime(u64),
    /// Lines of the sender's logs can't be used.
    #[error("{}", counted(
        *.0,
        "line of a sender's log cannot be used",
        "lines of a sender's log cannot be used"
    ))]
    BadLines(u64),
    /// Logs of the sender end in the middle of a line or of compressed data.
    #[error("{}", counted(
        *.0,
        "sender's log was cut, or is still being written",
        "senders' logs were cut, or are still being written"
    ))]
    CutLogs(u64),
    /// No line of the sender's logs has an id.
    #[error("no line of a sender's log contains an ID that sinkd assigned")]
    NoIdInLogs,
    /// Messages must contain values, but none was searched for them.
    #[error("no message was searched for what it must contain")]
    NothingSearched,
    /// Messages are to be compared with their checksum, but none has one.
    #[error("no message has a checksum of its content")]
    NothingChecked,
    /// The audit has neither a list, nor numbers, nor logs.
    #[error("nothing was expected")]
    NothingExpected,
    /// Numbers were expected, but no message has one.
    #[error("no message has a number as its key")]
    NoNumbers,
    /// The list has no usable rows.
    #[error("the list has no usable rows")]
    EmptyList,
    /// The span or the selection has no messages.
    #[error("no messages were selected")]
    NoMessages,
    /// Messages were accepted, but could not be audited, or their number is unknown.
    #[error("{}", .0.sentence("in this audit").unwrap_or_default())]
    Missing(MissingMessages),
}
