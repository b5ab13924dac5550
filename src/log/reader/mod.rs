//! The reading side, for any process: needs no lock, and never writes.
//!
//! [`Segment`] reads one file, [`Folder`] all of them, [`Listing`] in the order of arrival. Records
//! and slots are read by `pread` and trusted only when their checksum holds; of a segment that is
//! still open, the live page alone is mapped, to see what its worker publishes. Who passes content
//! on without looking at it, as `sinkctl replay` does, maps whole segments: [`Mapped`].
mod check;
mod damage;
mod folder;
mod follow;
mod listing;
mod mapped;
mod opening;
mod scan;
mod segment;

#[doc(hidden)]
pub use check::check_segment;
pub use damage::{Damage, ReadError, SegmentError};
pub use folder::{Folder, Latest, Notes, Summary};
pub use follow::{News, Positions};
pub use listing::{Listing, Page, Span, Stretch};
pub use mapped::Mapped;
pub use opening::{Opening, PassedOver};
pub(crate) use scan::{Extent, Found, is_valid_at, scan};
pub use segment::{Segment, Slots};
