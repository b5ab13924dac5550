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
pub mod blast;
#[doc(hidden)]
#[cfg(feature = "testkit")]
pub mod by_hand;
mod clock;
mod engine;
mod input;
mod network;
mod recording;
pub mod replay;
mod run;
mod scheduling;
mod settings;
mod shared;
pub mod source;
mod targets;

pub use input::{BadRows, ListError, Positive, RowRemedy, is_mailbox};
pub use recording::{
    ConnectionFailure, Extra, FailureCount, FailureExample, FailureKind, SendingError,
    SendingTally, SystemError,
};
pub use run::{SendReport, run};
pub use settings::{Connections, Ends, SendingSettings, SendingTls, TlsStart};
pub use shared::SharedRun;
pub use targets::{
    CONNECT_TIMEOUT, NotATarget, ResolvedAddress, Target, TargetAddress, TargetError, connectable,
};
