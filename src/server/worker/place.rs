//! How a worker names its connections.
use std::fmt;

/// The place of a connection in its worker's table. Another connection can have it later:
/// `ConnKey` tells them apart.
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

/// Names one connection for as long as the worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnKey {
    pub place: TablePlace,
    /// The serial number of the connection.
    pub serial: u32,
}

impl fmt::Display for TablePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
