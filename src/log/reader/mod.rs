//! The reading side, for any process: needs no lock, and never writes.
//!
//! [`Segment`] reads one file, [`Folder`] all of them, [`Listing`] in the order of arrival. Records
//! and slots are read by `pread` and trusted only when their checksum holds; of a segment that is
//! still open, the live page alone is mapped, to see what its worker publishes. Who passes content
//! on without looking at it, as `sinkctl replay` does, maps whole segments: [`Mapped`].
mod catalog;
mod check;
mod damage;
mod file;
mod folder;
mod follow;
mod listing;
mod mapped;
mod opening;
mod scan;
mod segment;
mod summary;

#[doc(hidden)]
pub use check::check_segment;
pub use damage::{Damage, ReadError, SegmentError};
pub(crate) use file::SegmentFile;
pub use folder::{Folder, Latest, Notes};
pub use follow::{NewMessages, Positions};
pub use listing::{Listing, Page, Span, Stretch};
pub use mapped::Mapped;
pub use opening::{Opening, PassedOver};
pub(crate) use scan::{Extent, ScanResult, scan};
pub use segment::{Segment, Slots};
pub use summary::SegmentSummary;
