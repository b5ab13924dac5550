//! The segment log: keeps records that were received whole, and lets anyone read them.
//!
//! ```text
//! worker ──▶ Writer ──▶ map of its segment ──▶ published count ──▶ Segment, Folder (any process)
//!              │ ▲
//!              ▼ │ windows, prepared segments, wake
//!           provisioning thread ──▶ sealed segment ──▶ sync thread
//! ```
//!
//! It owns the data folder (docs/segment-format.md) and knows envelopes only as bytes. Invariants:
//! readers see whole records only; what is published never moves; one process writes, and of it
//! one thread to each segment; a worker never waits for storage, it is told [`NoRoom`].
#![deny(unsafe_code)]
#![warn(missing_docs)]
mod ahead;
#[cfg(test)]
mod between_stores;
#[doc(hidden)]
pub mod by_hand;
mod clock;
mod disk;
mod error;
mod events;
mod events_file;
mod flags;
mod flush;
mod folder_log;
mod format;
mod id;
mod lock;
mod make;
mod map;
mod moment;
mod owed;
mod own;
mod own_build;
mod provision;
mod prune;
mod prune_folder;
mod pruned_sums;
pub mod reader;
mod recovery;
mod recycle;
mod removal;
mod reservation;
mod retention;
mod runs;
mod segment;
mod settings;
mod store;
mod sync;
mod window;
mod writer;

pub use clock::ProcessClock;
pub(crate) use disk::segment_path;
pub use error::OpenError;
pub use events::{By, Dropped};
pub use events_file::EventsFile;
#[doc(hidden)]
pub use flush::FlushCall;
pub use folder_log::Log;
pub use format::{
    BootId, Facts, Identity, Kind, PAYLOAD_BYTES_MAX, Published, SegmentKind, Slot, State,
    StorageMode, StoreId, Totals,
};
pub use id::{MessageId, NotAnId};
pub use moment::{Moment, NotAMoment, length};
pub use prune_folder::{Keep, prune};
pub use recovery::Recovery;
pub(crate) use recovery::segment_files;
pub use removal::{Remove, Removed, remove};
pub use reservation::{Claim, Commit, PendingCommit, Reservation};
pub use retention::Retention;
pub use runs::{Mark, Run, RunError, Runs};
pub use settings::{Durability, Settings, Space};
pub use writer::{Committed, Counted, NoRoom, Writer};
