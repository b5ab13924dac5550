//! The files of a data folder: their paths, file system operations, and the maps of segments, which
//! contain all unsafe code of the log.
pub(crate) mod boot;
pub(crate) mod disk;
pub(crate) mod dropped;
pub(crate) mod error;
#[cfg(feature = "testkit")]
pub(crate) mod event_check;
pub(crate) mod event_lines;
pub(crate) mod events;
pub(crate) mod events_file;
pub(crate) mod flags;
pub(crate) mod flush_call;
pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod probe;
pub(crate) mod pruned;
pub(crate) mod pruned_sums;
pub(crate) mod runs;
pub(crate) mod store;
pub(crate) mod unrecorded_drops;
pub(crate) mod usable;
