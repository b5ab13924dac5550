//! Reading: the statistics of a span of time, from the files alone.
#[cfg(feature = "testkit")]
mod check;
mod follow;
mod history;
mod summary;
mod tenth_span;

#[cfg(feature = "testkit")]
pub use check::check_statistics;
pub use follow::{Follower, NewSeconds};
pub use history::{History, INTERVAL_BEGIN, Second, each_interval, interval_logs};
pub use summary::{
    BusyShare, MessageRate, MessageWindow, OpenSessions, Percentiles, RunSummary, RunTotals,
};
pub use tenth_span::TenthSpan;
