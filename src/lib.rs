//! sinkd: the SMTP server that mass mailers are load-tested against.
//!
//! ARCHITECTURE.md describes the rooms, and which room may import which.
// A build without TLS has stand-ins for its types, which are unreachable. The real types are
// documented.
#![cfg_attr(feature = "tls", warn(missing_docs))]
#![cfg_attr(not(feature = "tls"), allow(dead_code, unreachable_code, unused_variables))]

pub mod analysis;
pub mod config;
pub mod control;
pub mod http;
pub mod index;
pub mod log;
pub mod machine;
pub mod mime;
pub mod plot;
pub mod sender;
pub mod server;
pub mod smtp;
pub mod stats;
pub mod time;
pub mod tls;
pub mod wording;

/// The release date of this version, shown in its man pages.
pub const VERSION_DAY: &str = "2026-11-29";
