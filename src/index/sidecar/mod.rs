//! The files of the index, one beside each segment: their octets, and how they are read, extended
//! and deleted.
//!
//! This folder doesn't know how an entry is derived from a message.
mod appender;
mod block;
mod file;
mod format;
mod paths;
mod sweep;

pub(super) use appender::{Appender, IdleAppender, NoAppender, Replacement};
pub(super) use block::BlockBuilder;
pub use file::Sidecar;
pub(super) use file::is_complete;
pub use file::sequence_field;
#[cfg(feature = "testkit")]
pub(super) use format::RECORD_BYTES;
pub use format::{
    BLOCK_HEADER_BYTES, HEADER_BYTES, IndexEntry, SEQUENCE_FIELD_BYTES_MAX, Unusable,
};
pub(super) use format::{Block, BlockHeader, SidecarHeader};
pub use paths::{folder, numbers, path};
pub use sweep::sweep;
