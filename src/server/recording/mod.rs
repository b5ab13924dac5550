//! What a worker records: statistics of each second, counters, and acknowledged messages.
//!
//! This folder decides nothing about connections. It learns from `turn/` what happened, and passes
//! it on to the statistics.
mod counters;
mod ledger;
mod messages;
#[expect(clippy::module_inception, reason = "the recording itself; its methods are beside it")]
mod recording;
mod rounds;
mod sample;
mod sessions;
mod spends;
mod transaction_times;
mod turns;

pub use counters::Counters;
pub(super) use counters::Doing;
pub(super) use ledger::Ledger;
pub(super) use recording::Recording;
pub(super) use sample::Sampler;
pub(super) use turns::ExpectedOctets;
