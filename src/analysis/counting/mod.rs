//! Counts of messages: those that a folder accepted, and those of them that are no longer in its
//! log.
mod counts;
mod missing;

pub use counts::MessageCounts;
pub use missing::MissingMessages;
