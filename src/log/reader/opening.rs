//! The outcomes of opening a segment: one rule for all readers.
//!
//! A pruned segment is gone, which is not an error: readers skip and count it. A segment that
//! exists but can't be read is damaged, and readers always report it.
use std::path::Path;
use std::sync::Arc;

use super::segment::KnownScan;
use super::{Segment, SegmentError};
use crate::log::files::boot::current_boot;
use crate::log::format::BootId;

/// The outcome of opening a segment.
#[derive(Debug)]
pub enum Opening {
    /// The segment can be read, even if its file is unlinked later.
    Opened(Arc<Segment>),
    /// The segment was pruned, or its file is being recycled.
    Gone,
    /// The segment exists, but can't be read.
    Damaged(SegmentError),
}

impl Opening {
    /// Opens the file of a segment. Costs the same as [`Segment::open`].
    pub fn of(path: &Path) -> Opening {
        Opening::in_boot(path, current_boot(), None)
    }

    /// Opens the file as if the machine's boot were `boot`. `known` is the result of an earlier
    /// scan.
    pub(super) fn in_boot(path: &Path, boot: BootId, known: Option<KnownScan>) -> Opening {
        let opened = match known {
            Some(known) => Segment::open_known(path, known),
            None => Segment::open_in(path, boot),
        };
        match opened {
            Ok(segment) => Opening::Opened(Arc::new(segment)),
            Err(error) if error.is_gone() => Opening::Gone,
            Err(error) => Opening::Damaged(error),
        }
    }
}

/// Segments that were pruned before they could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrunedUnread {
    /// Number of files.
    pub segments: u64,
    /// Number of messages that could be listed, as far as they had been counted.
    pub messages: u64,
}
