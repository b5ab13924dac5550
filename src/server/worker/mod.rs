//! A worker: the event loop, the table of its connections, and their deadlines.
//!
//! [`Worker`] gets events and time from the kernel and passes them to [`Intake`], which accepts
//! connections, and to [`Table`], which serves them. Neither needs a kernel. Everything about one
//! connection is in `turn/`.
mod connections;
mod event_loop;
mod handshakes;
mod intake;
mod place;
mod stopping;
mod table;
mod timer;
mod watchdog;

pub(super) use event_loop::{Worker, WorkerSetup};
pub(super) use table::TableSetup;
pub(super) use watchdog::Watchdog;
#[cfg(feature = "testkit")]
pub(super) use {
    intake::Intake,
    table::{Interests, Table},
};
#[cfg(feature = "testkit")]
pub use {place::TablePlace, table::SocketEvent};
