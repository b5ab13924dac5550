//! Values and files that users name for blast and replay, and how their errors are reported.
mod bad_rows;
mod mailbox;
mod positive;

pub use bad_rows::{BadRows, ListError, RowRemedy};
pub use mailbox::is_mailbox;
pub(super) use mailbox::split;
pub use positive::Positive;
