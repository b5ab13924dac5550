//! sinkd: the SMTP server that mass mailers are load-tested against.
//!
//! The rooms, and who may know whom, are described in ARCHITECTURE.md.
pub mod config;
pub mod http;
pub mod index;
pub mod log;
pub mod mime;
pub mod plot;
pub mod sender;
pub mod server;
pub mod smtp;
pub mod stats;
