//! How messages get into the index: in a running sinkd when the machine has time, and all at once.
mod backlog;
mod indexer;
mod lag;
mod parser_threads;
mod reading;
mod reindex;

pub use lag::Lag;
pub use parser_threads::{Host, IndexSettings, ParserThreads, When};
pub use reading::{MessageReader, PAYLOAD_BYTES_MAX};
pub use reindex::{ReindexProgress, Reindexed, reindex};
