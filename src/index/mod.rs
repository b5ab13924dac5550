//! The search index: facts and words of messages, stored separately from the segments and derived
//! from them.
//!
//! The index can be deleted and rebuilt at any time. A query ([`query`]) is first matched against
//! the [`Columns`] of a message, and against the message itself only if they can't decide.
#![forbid(unsafe_code)]
pub mod columns;
mod indexing;
pub mod query;
mod searching;
pub mod sidecar;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use columns::{Columns, TextColumn};
pub use indexing::{
    Host, IndexSettings, Lag, MessageReader, PAYLOAD_BYTES_MAX, ParserThreads, ReindexProgress,
    Reindexed, When, reindex,
};
pub use searching::{
    FINAL_CHECK, Goal, Hit, IndexFault, IndexedContent, Lookup, Match, Omissions, Probe,
    SearchOptions, SearchProgress, SearchResult, UnusableIndex, Waited, WatchedFolder, search,
    search_until, wait,
};
pub use sidecar::{IndexEntry, SEQUENCE_FIELD_BYTES_MAX, Sidecar, Unusable, sequence_field, sweep};
