//! What a run was like: recorded per worker without locks, merged each second, kept as standard
//! HdrHistogram interval logs and lines of counters, and read back from the folder alone.
//!
//! ```text
//! worker ─▶ Recorder ─(an interval a second)─▶ Hub thread ─▶ stats/*.hlog, *.jsonl
//!                                                               └─▶ History ─▶ Summary
//! ```
//!
//! It owns the folder `stats/` (docs/stats-format.md). Invariants: recording allocates nothing and
//! waits for nobody; a value beyond a metric's bound is recorded as the bound and counted; what is
//! merged loses nothing; an interval in which nothing happened leaves no line.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod files;
mod history;
mod hub;
mod interval;
mod metric;
mod recorder;
mod summary;

pub use history::{History, Second, each_interval, each_interval_of};
pub use hub::Hub;
pub use interval::Interval;
pub use metric::{Counter, Metric};
pub use recorder::Recorder;
pub use summary::{Percentiles, Rate, Summary, Totals};
