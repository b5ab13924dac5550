//! The statistics of a span of time, of one folder or of several: read once they are complete, as
//! totals, as a time series, and as the row of a run.
mod figures;
mod gathered;
mod intervals;
mod metric_name;
mod run_row;
mod unrecorded;
mod verdict_figures;
mod written;

pub use figures::{Figures, IndexLag, Loops, Rates, figures};
pub use gathered::{RunStatistics, counters};
pub use intervals::{IntervalRow, intervals};
pub use metric_name::metric_or;
pub use run_row::RunRow;
pub use unrecorded::UnrecordedMessages;
pub use written::wait_until_written;

pub(super) use metric_name::{metric, metrics};
pub(super) use written::WRITTEN_WITHIN;
