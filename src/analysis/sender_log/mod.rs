//! Reads logs of senders and returns the deliveries that they claim: every line that contains the
//! reply with which sinkd accepted a message (`250 2.0.0 Ok 17:3 sink-a`).
//!
//! A log is plain text, gzip or zstd, recognized by its first octets. The format of each line is
//! recognized separately. A line in no known format only counts if it contains a reply, and its
//! only address is the recipient. Unusable lines are reported with number and reason; nothing is
//! guessed.
//!
//! This module does not know whether a claim is true; callers join the claims with a data folder.
mod address;
mod answer;
mod claim;
mod event;
mod exim;
mod failure;
mod free;
mod haraka;
mod kumomta;
mod lines;
mod postfix;
mod powermta;
mod reader;
mod reason;
mod stamp;
#[cfg(feature = "testkit")]
pub mod testkit;
mod totals;
mod unpacked;
mod zstd;

pub use event::{BadLine, LogEvent, LoggedDelivery};
pub use failure::LogError;
pub use lines::LINE_BYTES_MAX;
pub use reader::read;
pub use reason::Reason;
pub use totals::{Format, LogTotals};
pub use unpacked::Compression;
pub use zstd::WINDOW_BYTES_MAX;
