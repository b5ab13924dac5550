//! Time: the clocks of the programs, spans of time, and durations as people write them.
//!
//! sinkd takes the times of messages and segments from [`ProcessClock`]. The hub of the statistics
//! has a `SteadyClock` for each run, in both programs. Code that must not read a clock takes a
//! [`Clock`] from its caller.
//!
//! A point in Unix time is a [`UnixNs`]. Times that count from the start of a process or a run are
//! integers.
//!
//! Logs and queries count ns, and their spans may have no bounds ([`Span`]). Statistics count whole
//! seconds ([`Seconds`]). Only methods of the two convert between them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod clock;
mod duration_text;
mod process_clock;
mod seconds;
mod span;
mod steady_clock;
mod unix_ns;

pub use clock::Clock;
pub use duration_text::parse_duration;
pub use process_clock::ProcessClock;
pub use seconds::Seconds;
pub use span::Span;
pub(crate) use steady_clock::SteadyClock;
pub use unix_ns::UnixNs;
