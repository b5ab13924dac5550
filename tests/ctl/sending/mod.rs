//! `sinkctl blast` and `sinkctl replay` to servers that limit or refuse connections, vanish or
//! mislead: output and exit codes.

mod auth;
mod safety;
mod success;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod turned_away;
