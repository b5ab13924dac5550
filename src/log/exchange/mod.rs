//! Data that two threads pass to each other: messages, atomics with their memory orders, and
//! constructors. Because they are here, neither side imports the other.
//!
//! ```text
//! worker       ── ProvisionRequest (RetiredSegment, OwnCommit) ▶ provisioning
//! worker       ◀── PreparedSegment, OwnEvent ────────────────── provisioning
//! worker       ◀─▶ Window, Gate ◀────────────────────────────▶ provisioning
//! worker       ── FlushJob ─▶ flusher ── Flushed ─────────────▶ worker
//! provisioning, flusher, recovery ── SyncJob ─────────────────▶ sync thread
//! ```
mod flush;
mod gate;
mod own;
mod request;
mod segment;
mod sync;
mod window;

pub(crate) use flush::{FlushJob, Flushed, OwnFlush};
pub(crate) use gate::Gate;
pub(crate) use own::{OWN_EVENTS_MAX, OWN_WINDOW_BYTES, OwnCommit, OwnEvent};
pub(crate) use request::{
    NewOwn, NewWorker, OpenedSegment, OwnFlushed, ProvisionRequest, REQUESTS_MAX,
};
pub(crate) use segment::{PreparedSegment, PublishAfter, RetiredSegment};
pub(crate) use sync::{SYNC_AFTER, SyncJob};
pub(crate) use window::{Fronts, OwnWindow, Window};
