//! Answers questions about data folders, in types and without printing: rows, one message,
//! statistics of a span, groups of messages, transit times, limits that clients kept, claims,
//! comparisons, data of reports, audits, and the claims of sender logs.
//!
//! This room reads folders through `log` and `stats`, and knows neither flags nor output. Callers
//! pass the folders, each with a span (`FolderSpans`), a clock to wait by, and a callback for
//! progress.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod audit;
pub mod claims;
mod clock;
pub mod comparison;
mod counts;
pub mod course;
mod data_folder;
mod error;
mod figures;
mod gathered;
mod groups;
mod holder;
mod intervals;
mod kept;
mod kept_figures;
pub mod message;
mod metric_name;
mod missing;
mod nearest;
mod retry;
pub mod rows;
mod run_row;
mod segment_row;
mod selection;
pub mod sender_log;
mod sorting;
mod source;
mod span;
mod transit;
mod unexpected;
mod verification;
mod watched;
mod words;
mod written;

pub use clock::Clock;
pub use counts::MessageCounts;
pub use data_folder::{ensure_data_folder, open_folder};
pub use error::Error;
pub use figures::{Figures, IndexLag, Loops, Rates, figures};
pub use gathered::{RunStatistics, counters};
pub use groups::{
    GroupAnswer, GroupBy, GroupFigures, GroupQuestion, GroupRow, GroupTable, OtherGroups, find,
};
pub use holder::holder;
pub use intervals::{IntervalRow, intervals};
pub use kept::{KeptLimits, window};
pub use kept_figures::{ClientFigures, LimitFigures, WindowFigures, client_name, peak_at};
pub use metric_name::metric_or;
pub use missing::MissingMessages;
pub use nearest::{nearest, unknown};
pub use retry::{Attempt, Attempts, retry_while_pruned};
pub use run_row::RunRow;
pub use segment_row::SegmentRow;
pub use selection::FolderSpans;
pub use span::{log_span, seconds};
pub use transit::{OverallTransit, TransitFigures};
pub use unexpected::Unexpected;
pub use verification::Verification;
pub use watched::watched;
pub use words::{counted, readable, rfc3339, seconds as seconds_text};
pub use written::wait_until_written;
