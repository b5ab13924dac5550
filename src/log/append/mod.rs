//! The worker's side of the log: fills segments that other threads prepare, and hands them back to
//! be sealed.
//!
//! A [`Writer`] has a link to the other threads, the worker's shared segments, and two budgets: one
//! for regions and one for dedicated segments.
mod commit;
mod dedicated;
mod link;
mod publishing;
mod regions;
mod reservation;
mod segment;
mod segments;
mod writer;

pub use commit::{Commit, CommitProgress, Committed, Counted, NoRoom, PendingCommit};
pub(crate) use link::Link;
pub use reservation::{Reservation, SizeBasis};
pub(crate) use segments::Segments;
pub use writer::Writer;
