//! Time: the clocks of the programs, spans of time, and durations as people write them.
//!
//! sinkd takes the times of messages and segments from [`ProcessClock`]. The hub of the statistics
//! has a `SteadyClock` for each run, in both programs. Code that must not read a clock takes a
//! [`Clock`] from its caller.
//!
//! A point in Unix time is a [`UnixNs`]. A point on a monotonic clock, which counts from the start
//! of a process ([`ProcessClock`]) or of a run of sending, is a [`Monotonic`]: a [`MonotonicNs`],
//! [`MonotonicUs`] or [`MonotonicMs`]. Both kinds of start have the same types, because no thread
//! uses both clocks.
//!
//! The difference of two points is a [`Duration`](std::time::Duration), which `since` returns. Code
//! that runs for each message or round uses an integer in place of a `Duration`, which costs a
//! division: `ns_since`, `us_since` and `ms_since` return one, and its name ends with the unit too.
//! A difference is never negative: if the other point is later, it is zero.
//!
//! Logs and queries count ns, and their spans may have no bounds ([`Span`]). Statistics count whole
//! seconds ([`Seconds`]). Only methods of the two convert between them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod clock;
mod duration_text;
mod monotonic;
mod process_clock;
mod seconds;
mod span;
mod steady_clock;
mod unix_ns;

pub use clock::Clock;
pub use duration_text::parse_duration;
pub use monotonic::{Monotonic, MonotonicMs, MonotonicNs, MonotonicUs};
pub use process_clock::ProcessClock;
pub use seconds::Seconds;
pub use span::Span;
pub(crate) use steady_clock::SteadyClock;
pub use unix_ns::UnixNs;
