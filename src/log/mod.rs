//! The segment log: stores complete records, and lets any process read them.
//!
//! ```text
//! worker ──▶ Writer ──▶ map of its segment ──▶ published count ──▶ Segment, Folder (any process)
//!              │ ▲
//!              ▼ │ windows, prepared segments, wake
//!           provisioning thread ──▶ sealed segment ──▶ sync thread
//! ```
//!
//! Owns the data folder (docs/segment-format.md), and treats envelopes as opaque bytes. Invariants:
//! readers only see complete records; published data never moves; only one process writes, with one
//! thread per segment; a worker never waits for storage, but gets [`NoRoom`].
#![deny(unsafe_code)]
#![warn(missing_docs)]
mod append;
#[cfg(test)]
mod between_stores;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod exchange;
mod files;
mod folder_log;
mod format;
mod moment;
pub mod reader;
mod settings;
mod threads;
mod upkeep;

pub use append::{
    Commit, CommitProgress, Committed, Counted, NoRoom, PendingCommit, Reservation, SizeBasis,
    Writer,
};
pub use files::dropped::{Dropped, DroppedBy};
pub use files::error::OpenError;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub use files::event_check::check_events;
pub use files::events_file::EventsFile;
#[doc(hidden)]
pub use files::flush_call::FlushCall;
pub(crate) use files::layout::{segment_files, segment_path};
pub use files::runs::{Mark, Run, RunError, Runs};
pub use folder_log::Log;
pub use format::id::{MessageId, NotAnId};
pub use format::{
    BootId, PAYLOAD_BYTES_MAX, Published, SealedTotals, SegmentIdentity, SegmentKind, Slot,
    SlotFacts, SlotKind, State, StoreId, StoredPart,
};
pub use moment::{Moment, NotAMoment};
pub use settings::{Durability, LogSettings, Space};
pub use upkeep::prune_error::PruneError;
pub use upkeep::prune_folder::{Keep, prunable, prune};
pub use upkeep::recovery::{Recovery, RecoveryDamage};
pub use upkeep::removal::{Remove, Removed, removable, remove};
pub use upkeep::retention::Retention;
