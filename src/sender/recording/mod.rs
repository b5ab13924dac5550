//! The outcomes of messages and connections: failures, totals, and statistics.
mod failure;
mod ledger;
mod resends;
mod round_time;
mod supply;
mod tally;

pub use failure::{ConnectionFailure, SendingError, SystemError};
pub(super) use ledger::{SendLedger, reply_names};
pub use tally::{Extra, FailureCount, FailureExample, FailureKind, SendingTally};
