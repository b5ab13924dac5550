//! Listeners: how a client's connection reaches a worker.
//!
//! ```text
//! Listener ─bind─▶ Acceptor ─accept─▶ Admission (limits) ─▶ Arrival ─▶ this worker, or a peer
//! ```
//!
//! Both TCP and Unix sockets are wrapped here. This folder doesn't know sessions or replies: the
//! caller decides how a client that is turned away is answered.
mod accept;
mod admission;
mod bind_error;
mod handover;
mod listener;
mod stream;
mod unix;

pub(super) use accept::{ACCEPTS_PER_ROUND, Acceptors, Accepts};
pub(super) use admission::Admission;
pub use bind_error::ListenError;
pub(super) use handover::{Arrival, ArrivalReceiver, ArrivalSender, Handover, Inbox, WAKER};
pub(super) use listener::bind_all;
pub(super) use stream::{Acceptor, READING, SocketInterest, Stream, is_urgent};
pub(super) use unix::SocketFile;
