//! Why the limits that clients kept to may be incomplete.
use crate::analysis::statistics::UnrecordedMessages;
use crate::stats::StatsDamage;
use crate::wording::counted;

/// Why the records of connections may be incomplete or empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsGap {
    /// The figures lack messages that the log holds.
    #[error("{0}")]
    Unrecorded(UnrecordedMessages),
    /// A sender recorded the folder, and a sender has no clients.
    #[error("these are a sender's records: name the data folder of the sinkd that it sent to")]
    OfSender,
    /// A file of statistics is damaged.
    #[error("statistics are damaged: {0}")]
    Damaged(StatsDamage),
    /// More connections were active in a second than are recorded. The number counts those left
    /// out.
    #[error(
        "{} not recorded: more were active in one second than are recorded one by one",
        counted(*.0, "connection was", "connections were")
    )]
    Lost(u64),
    /// Accepted messages belong to no recorded connection.
    #[error(
        "{} came over no connection on record: an earlier sinkd accepted them, or a file of \
         connections is missing or cut",
        counted(*.0, "message", "messages")
    )]
    NotOnRecord(u64),
    /// Connections were open when sinkd was killed.
    #[error(
        "{} cut off when sinkd was killed: its last two seconds are not on record",
        counted(*.0, "connection was", "connections were")
    )]
    CutOff(u64),
    /// No connection was recorded.
    #[error("no connection was recorded")]
    NoConnection,
}
