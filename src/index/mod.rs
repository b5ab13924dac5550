//! The search index: facts and words of messages, stored separately from the segments and derived
//! from them.
//!
//! The index can be deleted and rebuilt at any time. A query ([`query`]) is first matched against
//! the [`Columns`] of a message, and against the message itself only if they can't decide.
#![forbid(unsafe_code)]
mod appender;
mod backlog;
mod block;
pub mod columns;
pub mod format;
mod indexer;
mod lag;
mod lookup;
mod newest;
mod omissions;
mod parser;
mod probe;
pub mod query;
pub mod reading;
mod reindex;
mod search;
pub mod sidecar;
mod sweep;
#[cfg(feature = "testkit")]
pub mod testkit;
mod wait;

pub use columns::{Columns, TextColumn};
pub use format::{IndexEntry, Unusable};
pub use lag::Lag;
pub use lookup::{IndexedContent, Lookup, LookupError};
pub use newest::Hit;
pub use omissions::{IndexFault, Omissions, UnusableIndex};
pub use parser::{Host, IndexSettings, ParserThreads, When};
pub use probe::{Match, Probe};
pub use reindex::{ReindexProgress, Reindexed, reindex};
pub use search::{SearchOptions, SearchProgress, SearchResult, search, search_until};
pub use sidecar::{Sidecar, sequence_field};
pub use sweep::sweep;
pub use wait::{FINAL_CHECK, Goal, Waited, WatchedFolder, wait};
