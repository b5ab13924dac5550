//! Recording of what a worker does: statistics of each second, counters, and acknowledged messages.
//!
//! This folder decides nothing about connections. Code in `turn/` and `worker/` reports events to
//! it, and it passes them on to the statistics.
mod counters;
mod ledger;
mod messages;
#[expect(clippy::module_inception, reason = "the recording itself; its methods are beside it")]
mod recording;
mod rounds;
mod sample;
mod sessions;
mod state_after;
mod transaction_times;
mod turns;

pub use counters::Counters;
pub(super) use counters::Doing;
pub(super) use ledger::Ledger;
pub(super) use recording::Recording;
pub(super) use sample::Sampler;
pub(super) use turns::ExpectedOctets;
