//! Statistics of a run: recorded per worker without locks, merged each second, stored as standard
//! HdrHistogram interval logs and lines of counters, and read back from the folder alone.
//!
//! ```text
//! worker ─▶ Recorder ─(an interval a second)─▶ Hub thread ─▶ stats/*.hlog, *.jsonl, *.sessions
//!                                                 │             ├─▶ History ─▶ Summary
//!                                                 │             └─▶ Limits (of *.sessions)
//!                                                 └─▶ Live (sums since the start)
//! ```
//!
//! This room owns the folder `stats/` (docs/stats-format.md). Invariants: recording never waits; a
//! value above a metric's maximum is recorded as the maximum and counted; merging loses no value;
//! an interval in which nothing happened leaves no line.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod budget;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod calibration;
#[cfg(feature = "testkit")]
mod check;
mod compare;
mod counter;
mod counter_line;
mod counts;
mod damage;
mod file_name;
mod files;
mod follow;
mod headroom;
mod history;
mod hub;
mod interval;
mod limited_by;
mod lines;
mod listener_counts;
mod live;
mod metric;
mod metric_unit;
mod recorded_names;
mod recorder;
mod sample;
mod sessions;
mod summary;
mod table;
mod tenth_span;
mod verdict;

pub use budget::Shares;
pub use calibration::{Calibrated, Calibration, Ceiling, Shape};
#[cfg(feature = "testkit")]
pub use check::check_statistics;
pub use compare::{
    Bounds, Comparison, Difference, MESSAGES_MIN, MeasureUnit, Measures, NoVerdict, SECONDS_MIN,
    Shift,
};
pub use counter::Counter;
pub use damage::{LineFault, StatsDamage};
pub use files::StatsPlace;
pub use follow::{Follower, NewSeconds};
pub use headroom::Headroom;
pub use history::{History, Second, each_interval};
pub use hub::{Hub, Observer};
pub use interval::Interval;
pub use limited_by::LimitedBy;
pub use listener_counts::ListenerCounts;
pub use live::Live;
pub use metric::Metric;
pub use metric_unit::MetricUnit;
pub use recorded_names::RecordedNames;
pub use recorder::Recorder;
pub use sample::Sample;
#[cfg(feature = "testkit")]
pub use sessions::check_batches;
pub use sessions::{
    ClientLimits, Distribution, SenderLimits, SessionHint, SessionKey, SessionSecond,
};
pub use summary::{
    BusyShare, MessageRate, MessageWindow, OpenSessions, Percentiles, RunSummary, RunTotals,
};
pub use tenth_span::TenthSpan;
pub use verdict::{RecordedAmount, Verdict, VerdictEvidence, VerdictReason};
