//! Data that two threads pass to each other: messages, atomics with their memory orders, and
//! constructors. Because they are here, neither side imports the other.
//!
//! ```text
//! worker       ── ProvisionRequest (RetiredSegment, DedicatedCommit) ▶ provisioning
//! worker       ◀── PreparedSegment, DedicatedEvent ────────────────── provisioning
//! worker       ◀─▶ Window, Gate ◀────────────────────────────▶ provisioning
//! worker       ── FlushJob ─▶ flusher ── Flushed ─────────────▶ worker
//! provisioning, flusher, recovery ── SyncJob ─────────────────▶ sync thread
//! ```
mod dedicated;
mod flush;
mod gate;
mod request;
mod segment;
mod sync;
mod window;

pub(crate) use dedicated::{
    DEDICATED_EVENTS_MAX, DEDICATED_WINDOW_BYTES, DedicatedCommit, DedicatedEvent,
};
pub(crate) use flush::{DedicatedFlush, FlushJob, Flushed};
pub(crate) use gate::{Asked, Gate, Unannounced};
pub(crate) use request::{
    DedicatedFlushed, NewDedicated, NewWorker, OpenedSegment, ProvisionRequest, REQUESTS_MAX,
};
pub(crate) use segment::{PreparedSegment, PublishAfter, RetiredSegment};
pub(crate) use sync::{SYNC_AFTER, SyncJob};
pub(crate) use window::{DedicatedWindow, Fronts, Window};
