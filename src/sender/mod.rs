//! The sending side: drives client sessions over sockets, for replay and load generation.
//!
//! ```text
//! Source ─▶ Engine (one thread: event loop, connections) ─▶ smtp::client::Session ─▶ socket
//!   ▲              │  ▲ Scheduler: which message goes when, over which connection
//!   └─ SendLedger ─┘◀───────── outcome, times of each phase ◀────────────────┘
//! ```
//!
//! Invariants: a sender connects only to the given target. It passes a message to one session at a
//! time, and reports one outcome to the source of the message. A message leaves when it is due,
//! however slow the target is, and times are measured from that moment (no coordinated omission).
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod alarm;
mod bad_rows;
pub mod blast;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod clock;
mod conn;
mod conn_tls;
mod decision;
mod engine;
mod failure;
mod ledger;
mod mailbox;
mod network;
mod patience;
mod pool;
mod positive;
mod progress;
pub mod replay;
mod resends;
mod run;
mod scheduler;
mod settings;
mod shared;
mod slot;
pub mod source;
mod stream;
mod tally;
pub mod target;
mod time_limits;
mod waiting;

pub use bad_rows::{BadRows, RowRemedy};
pub use failure::{ConnectionFailure, SendingError, SystemError};
pub use mailbox::is_mailbox;
pub use positive::Positive;
pub use run::{SendReport, run};
pub use settings::{Connections, Ends, SendingSettings, SendingTls, TlsStart};
pub use shared::SharedRun;
pub use stream::ResolvedAddress;
pub use tally::{Extra, FailureCount, FailureExample, FailureKind, SendingTally};
