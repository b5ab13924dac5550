//! Controlling a running sinkd: a socket in the data folder, its requests and answers, and the
//! thread that serves it.
//!
//! A request is a line of JSON, and so is its answer; then the connection closes. The socket's
//! permissions let only its owner connect.
#![forbid(unsafe_code)]

mod ask;
mod message;
mod socket;
mod thread;

pub use ask::{AskError, ask};
pub use message::{Answer, ListenerAnswer, ListenerTlsAnswer, Request};
pub use socket::{FILE_NAME, SocketError};
pub use thread::{Control, Handler};
