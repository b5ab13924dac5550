//! The protocol, pure: no sockets, files, clocks or threads.
#![forbid(unsafe_code)]
pub mod data;
pub mod envelope;
pub mod limits;
pub mod reply;
pub mod session;
