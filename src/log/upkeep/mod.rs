//! Maintenance of a folder: recovery after a crash, retention, pruning and removal.
pub(crate) mod prune_error;
pub(crate) mod prune_folder;
pub(crate) mod reclaim;
pub(crate) mod recovery;
pub(crate) mod removal;
pub(crate) mod retention;
pub(crate) mod sealed;
