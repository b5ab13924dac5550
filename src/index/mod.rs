//! The search index: the words of the messages, kept beside the segments and derived from them.
//!
//! Everything in the index can be deleted and rebuilt. A query ([`query`]) is put to the
//! [`Columns`] of a message first, and to the message itself only where they can't answer.
#![forbid(unsafe_code)]
mod appender;
mod backlog;
mod block;
pub mod columns;
pub mod format;
mod indexer;
mod lookup;
mod newest;
mod parser;
mod probe;
pub mod query;
pub mod reading;
mod reindex;
mod search;
pub mod sidecar;
pub mod testkit;
mod wait;

pub use columns::{Columns, Lines};
pub use format::{Entry, Unusable};
pub use lookup::{Lookup, Said};
pub use newest::Hit;
pub use parser::{Host, Lag, Parser, Settings, When};
pub use probe::{Answer, Probe};
pub use reindex::{Progress, Reindexed, reindex};
pub use search::{Found, LeftOut, Searching, Wanted, search, search_until};
pub use sidecar::{Sidecar, sequence_field};
pub use wait::{Goal, LAST_LOOK, Waited, Watched, wait};

use std::io;
use std::path::Path;

/// Removes the sidecars of segments that are not in `there` (ascending), as retention leaves them
/// behind. Their numbers are never used again, so a late removal is harmless.
pub fn sweep(data: &Path, there: &[u32]) -> io::Result<()> {
    for number in sidecar::numbers(data)? {
        // A segment may have been begun since it was looked at what is there.
        let is_old = there.last().is_some_and(|newest| number <= *newest);
        if is_old && there.binary_search(&number).is_err() {
            match std::fs::remove_file(sidecar::path(data, number)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}
