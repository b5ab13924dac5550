//! The data to read: folders, each with a span of time.
use std::path::{Path, PathBuf};

use crate::time::{Clock, Span};

/// Folders with spans, and a clock.
#[derive(Clone, Copy)]
pub struct FolderSpans<'a> {
    /// The data folders, in the order in which the user named them.
    pub folders: &'a [PathBuf],
    /// The span in each folder.
    pub spans: &'a [Span],
    /// The clock that shows whether a span is over, and that waits for its statistics.
    pub clock: &'a dyn Clock,
}

impl FolderSpans<'_> {
    /// Returns each folder with its span, in order.
    pub fn parts(&self) -> impl Iterator<Item = (&Path, Span)> {
        self.folders.iter().map(PathBuf::as_path).zip(self.spans.iter().copied())
    }
}
