//! What a worker records: statistics of each second, counters, and acknowledged messages.
//!
//! This folder decides nothing about connections. It learns from `turn/` what happened, and passes
//! it on to the statistics.
mod counters;
mod ledger;
mod record;
mod sample;
mod spends;
mod transaction_times;

pub use counters::Counters;
pub(super) use counters::Doing;
pub(super) use ledger::Ledger;
pub(super) use record::{ExpectedOctets, Recording};
pub(super) use sample::Sampler;
