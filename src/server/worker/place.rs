//! The number by which a worker knows a connection.
use std::fmt;

/// The place of a connection in its worker's table. Another connection can have it later:
/// `TimerKey` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TablePlace(usize);

impl TablePlace {
    #[inline]
    pub(crate) fn new(index: usize) -> TablePlace {
        TablePlace(index)
    }

    /// Returns the places of a table of `count` places.
    pub(crate) fn all(count: usize) -> impl Iterator<Item = TablePlace> {
        (0..count).map(TablePlace)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for TablePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
