//! Individual connections: what each did in each second, and the limits that their clients kept to.
//!
//! ```text
//! Recorder ─▶ SessionSeconds (of an interval) ─▶ batch ─▶ stats/*.sessions ─▶ reading ─▶ Limits
//! ```
mod batch;
#[cfg(feature = "testkit")]
mod check;
mod file;
mod limits;
mod open;
mod reading;
mod second;
mod spread;
mod windows;

pub(super) use batch::encode;
#[cfg(feature = "testkit")]
pub use check::check_batches;
pub(super) use file::BatchFile;
pub use limits::{ClientLimits, SenderLimits};
pub(super) use second::SessionSeconds;
pub use second::{SessionHint, SessionKey, SessionSecond};
pub use spread::Distribution;
