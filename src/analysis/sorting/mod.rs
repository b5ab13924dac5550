//! Records in order, in bounded memory: what does not fit is sorted in pieces, which wait in a
//! temporary file and are merged when they are read.
//!
//! A record is a number, a key and a value; records are ordered by these three, so that the order
//! does not depend on how many pieces there are. Nothing is shared between threads: each fills a
//! [`Sorter`] of its own, and [`Merge`] reads all of them as one.
mod cursor;
mod merge;
mod record;
mod sorter;

pub use merge::Merge;
pub use record::Record;
pub use sorter::{Sorted, Sorter};
