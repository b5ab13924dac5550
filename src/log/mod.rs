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
mod append;
mod boot;
#[doc(hidden)]
pub mod by_hand;
mod clock;
mod disk;
mod dropped;
mod error;
mod events;
mod events_file;
mod exchange;
mod flags;
mod flush_call;
mod folder_log;
mod format;
mod id;
mod layout;
mod lock;
mod map;
mod moment;
mod owed;
mod probe;
mod prune_folder;
mod pruned;
mod pruned_sums;
pub mod reader;
mod reclaim;
mod recovery;
mod removal;
mod retention;
mod runs;
mod sealed;
mod settings;
mod store;
mod threads;

pub use append::{Claim, Commit, Committed, Counted, NoRoom, PendingCommit, Reservation, Writer};
pub use clock::ProcessClock;
pub use dropped::{By, Dropped};
pub use error::OpenError;
pub use events_file::EventsFile;
#[doc(hidden)]
pub use flush_call::FlushCall;
pub use folder_log::Log;
pub use format::{
    BootId, Facts, Identity, Kind, PAYLOAD_BYTES_MAX, Published, SegmentKind, Slot, State,
    StorageMode, StoreId, Totals,
};
pub use id::{MessageId, NotAnId};
pub(crate) use layout::{segment_files, segment_path};
pub use moment::{Moment, NotAMoment, length};
pub use prune_folder::{Keep, prune};
pub use recovery::Recovery;
pub use removal::{Remove, Removed, remove};
pub use retention::Retention;
pub use runs::{Mark, Run, RunError, Runs};
pub use settings::{Durability, Settings, Space};
