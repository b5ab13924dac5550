//! Recording of what a worker does: statistics of each second, counters, and acknowledged messages.
//!
//! This folder decides nothing about connections. Code in `turn/` and `worker/` reports events to
//! it, and it passes them on to the statistics.
mod counters;
mod expected_octets;
mod ledger;
mod measurements;
mod round_kind;
mod sample;
mod state_after;
mod transaction_times;

pub use counters::Counters;
pub(super) use counters::Doing;
pub(super) use expected_octets::ExpectedOctets;
pub(super) use ledger::Ledger;
pub(super) use measurements::Measurements;
pub(super) use round_kind::RoundKind;
pub(super) use sample::Sampler;
