//! Time: the clocks of the programs.
//!
//! [`ProcessClock`] gives sinkd all times that it stores. The hub of the statistics has a
//! `SteadyClock` for each run, in both programs. Code that must not read a clock takes a
//! [`Clock`] from its caller.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod clock;
mod process_clock;
mod steady_clock;

pub use clock::Clock;
pub use process_clock::ProcessClock;
pub(crate) use steady_clock::SteadyClock;
