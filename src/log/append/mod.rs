//! What a worker does: it fills segments that others made ready, and leaves them to be sealed.
//!
//! [`Writer`] is a link to the other threads, its shared segments, and two budgets: one for regions
//! and one for own segments.
mod commit;
mod link;
mod own;
mod regions;
mod reservation;
mod segment;
mod segments;
mod writer;

pub use commit::{Commit, Committed, Counted, NoRoom, PendingCommit};
pub(crate) use link::Link;
pub use reservation::{Claim, Reservation};
pub(crate) use segments::Segments;
pub use writer::Writer;
