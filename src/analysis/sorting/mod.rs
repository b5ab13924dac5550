//! Sorts records in bounded memory: records that do not fit are sorted in runs, which wait in a
//! temporary file and are merged when they are read.
//!
//! A record is a number, a key and a value, and is ordered by these three, so the order does not
//! depend on the number of runs. Threads share nothing: each fills its own [`Sorter`], and
//! [`Merge`] reads all of them as one.
mod cursor;
mod merge;
mod record;
mod sorter;

pub use merge::Merge;
pub use record::SortRecord;
pub use sorter::{Sorted, Sorter};
