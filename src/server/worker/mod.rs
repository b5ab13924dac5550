//! A worker: the event loop, the table of its connections, and their deadlines.
//!
//! [`Worker`] gets events and time from the kernel and passes them to [`Table`], which does all
//! else and needs no kernel. Everything about one connection is in `turn/`.
mod event_loop;
mod handshakes;
mod place;
mod table;
mod timer;
mod watchdog;

pub(super) use event_loop::{Worker, WorkerSetup};
#[cfg(feature = "testkit")]
#[cfg(feature = "testkit")]
pub use place::TablePlace;
#[cfg(feature = "testkit")]
pub use table::SocketEvent;
pub(super) use table::TableSetup;
#[cfg(feature = "testkit")]
pub(super) use table::{Interests, Table};
pub(super) use watchdog::Watchdog;
