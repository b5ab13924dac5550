//! Questions to the index: all messages of a folder that match a query, and the entries of single
//! messages. Messages that are not indexed are read instead.
mod lookup;
mod newest;
mod omissions;
mod probe;
mod search;
mod wait;

pub use lookup::{IndexedContent, Lookup};
pub use newest::Hit;
pub use omissions::{IndexFault, Omissions, UnusableIndex};
pub use probe::{Match, Probe};
pub use search::{SearchOptions, SearchProgress, SearchResult, search, search_until};
pub use wait::{FINAL_CHECK, Goal, Waited, WatchedFolder, wait};
