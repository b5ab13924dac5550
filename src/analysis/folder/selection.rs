//! The data to read: folders, each with a span of time.
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::time::Clock;

/// Folders with spans, and a clock to wait by.
#[derive(Clone, Copy)]
pub struct FolderSpans<'a> {
    /// The data folders, in the order in which the user named them.
    pub folders: &'a [PathBuf],
    /// The span in each folder, in Unix ns; `0..u64::MAX` is all of time.
    pub spans: &'a [Range<u64>],
    /// The clock that shows whether a span is over.
    pub clock: &'a dyn Clock,
}

impl FolderSpans<'_> {
    /// Returns each folder with its span, in order.
    pub fn parts(&self) -> impl Iterator<Item = (&Path, &Range<u64>)> {
        self.folders.iter().map(PathBuf::as_path).zip(self.spans)
    }
}
