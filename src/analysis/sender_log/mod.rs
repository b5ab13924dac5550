//! Logs of senders, turned into the deliveries that they claim: every line that holds the reply
//! with which sinkd accepted a message (`250 2.0.0 Ok 17:3 sink-a`).
//!
//! A log is plain text, gzip or zstd, told apart by its first octets. Each line is of one of the
//! known formats, recognized by itself, or of none: then only a reply in it counts, and its only
//! address. What cannot be used is reported with its line and reason; nothing is guessed.
//!
//! This room does not know whether a claim is true: who asks joins the claims with a data folder.
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
