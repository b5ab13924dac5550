//! Answers questions about data folders, in types and without printing: rows, one message,
//! statistics of a span, groups of messages, transit times, limits that clients kept, claims,
//! comparisons, data of reports, audits, and the claims of sender logs.
//!
//! This room reads folders through `log` and `stats`, and knows neither flags nor output. Callers
//! pass the folders, each with a span (`FolderSpans`), a clock for waiting, and a callback for
//! progress.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod audit;
pub mod claims;
pub mod comparison;
mod counting;
mod error;
mod folder;
mod groups;
mod limits;
pub mod message;
pub mod report;
pub mod rows;
pub mod sender_log;
mod sorting;
mod statistics;
mod transit;
mod transit_gap;
mod verdict_sentence;
mod watched;
mod words;

pub use counting::{MessageCounts, MissingMessages};
pub use error::AnalysisError;
pub use folder::{
    Attempt, Attempts, FolderSpans, SegmentRow, UnpublishedSlots, Verification, ensure_data_folder,
    holder, open_folder, retry_while_pruned,
};
pub use groups::{
    GroupAnswer, GroupBy, GroupFigures, GroupQuestion, GroupRow, GroupTable, OtherGroups, find,
};
pub use limits::{
    ClientFigures, KeptLimits, LimitFigures, LimitsGap, WindowFigures, client_name, peak_at, window,
};
pub use statistics::{
    Figures, IndexLag, IntervalRow, Loops, Rates, RunRow, RunStatistics, UnrecordedMessages,
    counters, figures, intervals, metric_or, wait_until_written,
};
pub use transit::{OverallTransit, TransitFigures};
pub use transit_gap::{TransitGap, TransitOmissions};
pub use verdict_sentence::verdict_sentence;
pub use watched::watched;
pub use words::{rfc3339, seconds as seconds_text};
