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
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod compare;
mod format;
mod metrics;
mod reading;
mod recording;
mod sessions;
mod verdict;

pub use compare::{
    Bounds, Comparison, Difference, MESSAGES_MIN, MeasureUnit, Measures, NoVerdict, SECONDS_MIN,
    Shift,
};
pub use format::{LineFault, StatsDamage};
pub use metrics::{Counter, Metric, MetricUnit};
#[cfg(feature = "testkit")]
pub use reading::check_statistics;
pub use reading::{
    BusyShare, Follower, History, INTERVAL_BEGIN, MessageRate, MessageWindow, NewSeconds,
    OpenSessions, Percentiles, RunSummary, RunTotals, Second, TenthSpan, each_interval,
    interval_logs,
};
pub use recording::{
    Hub, Interval, ListenerCounts, Live, Observer, RecordedNames, Recorder, Sample, StatsPlace,
};
#[cfg(feature = "testkit")]
pub use sessions::check_batches;
pub use sessions::{
    ClientLimits, Distribution, SenderLimits, SessionHint, SessionKey, SessionSecond,
};
pub use verdict::{
    Calibrated, Calibration, Ceiling, Headroom, LimitedBy, RecordedAmount, Shape, Shares, Verdict,
    VerdictEvidence, VerdictReason,
};
