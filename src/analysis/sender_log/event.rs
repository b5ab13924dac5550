//! The events of reading a log.
use super::reason::Reason;
use crate::log::MessageId;
use crate::time::UnixNs;

/// One delivery that a sender's log claims: one recipient of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedDelivery<'a> {
    /// The number of the line in the decompressed text, from 1.
    pub line: u64,
    /// The id that sinkd assigned to the message. Ids repeat between data folders.
    pub id: MessageId,
    /// The name of the sink that accepted the message; `None` if it has no name or the line does
    /// not show it.
    pub sink: Option<&'a str>,
    /// The recipient's address without angle brackets, quoted as in the log; `None` if the line
    /// names no recipient or several candidates.
    pub recipient: Option<&'a [u8]>,
    /// The Unix time in ns at which the sender logged the line, usually in whole seconds; `None` if
    /// the line has no time, or one without year or zone.
    pub at_ns: Option<UnixNs>,
}

/// A line that can't be used, and may claim a delivery.
#[derive(Debug)]
pub struct BadLine {
    /// The number of the line in the decompressed text, from 1.
    pub line: u64,
    /// Why it is unusable.
    pub reason: Reason,
}

/// An event of reading a log, in the order of the lines.
#[derive(Debug)]
pub enum LogEvent<'a> {
    /// A line claims a delivery.
    Delivery(LoggedDelivery<'a>),
    /// A line is unusable.
    BadLine(BadLine),
    /// The number of bytes of the file read so far; reported every few MiB, whatever the lines
    /// contain.
    Progress(u64),
}
