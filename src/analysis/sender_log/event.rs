//! What reading a log tells.
use super::reason::Reason;
use crate::log::MessageId;

/// One delivery that a sender's log claims: one recipient of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedDelivery<'a> {
    /// Number of the line, from 1.
    pub line: u64,
    /// What sinkd called the message. Ids repeat between data folders.
    pub id: MessageId,
    /// The name of the sink that accepted it. `None`: it has no name, or the line does not tell.
    pub sink: Option<&'a str>,
    /// The recipient as an address without angle brackets, quoted as the log has it.
    /// `None`: the line names none or more than one that could be meant.
    pub recipient: Option<&'a [u8]>,
    /// Unix time in ns when the sender logged it, mostly of whole seconds.
    /// `None`: the line has no time, or one without year or zone.
    pub at_ns: Option<u64>,
}

/// A line that cannot be used.
#[derive(Debug)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
}

/// What reading a log tells, in the order of the lines.
#[derive(Debug)]
pub enum LogEvent<'a> {
    /// A line claims a delivery.
    Delivery(LoggedDelivery<'a>),
    /// A line cannot be used.
    BadLine(BadLine),
    /// Bytes of the file read so far; told every few MiB, whatever the lines hold.
    Progress(u64),
}
