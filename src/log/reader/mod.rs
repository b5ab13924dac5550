//! Reads a data folder from any process. Takes no lock of the folder, and never writes.
//!
//! [`Segment`] reads one file, [`Folder`] all of them, and [`Listing`] orders messages by arrival.
//! Records and slots are read by `pread`, and trusted only if their checksums are right. Of an open
//! segment, only the live page is mapped, to see what its worker publishes. Code that forwards
//! content without reading it, as `sinkctl replay` does, maps whole segments by [`Mapped`].
mod catalog;
#[cfg(feature = "testkit")]
mod check;
mod cursor;
mod damage;
mod file;
mod folder;
mod follow;
mod listing;
mod mapped;
mod opening;
mod page;
mod scan;
mod segment;
mod segment_span;
mod summary;

#[doc(hidden)]
#[cfg(feature = "testkit")]
pub use check::check_segment;
pub use damage::{Damage, ReadError, SegmentError};
pub(crate) use file::SegmentFile;
pub use folder::{Folder, Latest, Notes};
pub use follow::{NewMessages, Positions};
pub use listing::{Listing, Stretch};
pub use mapped::Mapped;
pub use opening::{Opening, PrunedUnread};
pub use page::Page;
pub(crate) use scan::{Extent, ScanResult, scan};
pub use segment::{Segment, Slots};
pub use summary::SegmentSummary;
