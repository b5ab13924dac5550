//! Merges sorted runs into one.
use std::io;
use std::sync::Arc;

use super::cursor::{Cursor, FileCursor};
use super::record::SortRecord;
use super::sorter::Sorted;

/// Total memory for reading runs; many runs are read in smaller portions.
const READ_BYTES: usize = 16 << 20;
/// Maximum size of a portion, in octets.
const PORTION_MAX: usize = 64 << 10;
/// Minimum size of a portion; smaller ones would mostly cost system calls.
const PORTION_MIN: usize = 4 << 10;

/// The records of several sorters, in order.
#[derive(Debug)]
pub struct Merge {
    /// A heap: the next record of run n is not after the next records of runs 2n+1 and 2n+2.
    /// Finished runs are not in the heap.
    pieces: Vec<Cursor>,
}

impl Merge {
    /// Merges all runs of `sorted`. Needs up to 16 MiB of memory besides the memory of the sorters,
    /// and beyond 4,096 runs in files, 4 KiB for each run.
    ///
    /// Errors: a temporary file can't be read.
    pub fn new(sorted: impl IntoIterator<Item = Sorted>) -> io::Result<Merge> {
        let (sorted, mut pieces): (Vec<Sorted>, _) = (sorted.into_iter().collect(), Vec::new());
        let in_files: usize = sorted.iter().map(|sorted| sorted.spilled.pieces.len()).sum();
        let portion = (READ_BYTES / in_files.max(1)).clamp(PORTION_MIN, PORTION_MAX);
        for Sorted { octets, entries, spilled } in sorted {
            pieces.push(Cursor::Memory { octets, entries: entries.into_iter() });
            let Some(file) = spilled.file.map(Arc::new) else { continue };
            for piece in spilled.pieces {
                pieces.push(Cursor::File(FileCursor::new(file.clone(), piece, portion)?));
            }
        }
        pieces.retain(|piece| piece.head().is_some());
        let mut merge = Merge { pieces };
        (0..merge.pieces.len() / 2).rev().for_each(|index| merge.sift_down(index));
        Ok(merge)
    }

    /// Returns the next record; `None` at the end.
    pub fn head(&self) -> Option<SortRecord<'_>> {
        self.pieces.first().and_then(Cursor::head)
    }

    /// Advances to the next record.
    ///
    /// Errors: a temporary file can't be read.
    pub fn advance(&mut self) -> io::Result<()> {
        let Some(first) = self.pieces.first_mut() else { return Ok(()) };
        first.advance()?;
        if first.head().is_none() {
            self.pieces.swap_remove(0);
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut index: usize) {
        loop {
            let children = 2 * index + 1..(2 * index + 3).min(self.pieces.len());
            let Some(least) = children.min_by_key(|child| self.pieces[*child].head()) else {
                return;
            };
            if self.pieces[index].head() <= self.pieces[least].head() {
                return;
            }
            self.pieces.swap(index, least);
            index = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::sorting::Sorter;

    type Owned = (u64, Vec<u8>, Vec<u8>);

    fn all(mut merge: Merge) -> Vec<Owned> {
        let mut found = Vec::new();
        while let Some(SortRecord { order, key, value }) = merge.head() {
            found.push((order, key.to_vec(), value.to_vec()));
            merge.advance().unwrap();
        }
        found
    }

    fn octets(values: std::ops::Range<u8>, lengths: std::ops::Range<usize>) -> VecOf<u8> {
        prop::collection::vec(values, lengths)
    }

    type VecOf<T> = prop::collection::VecStrategy<std::ops::Range<T>>;

    proptest! {
        #[test]
        fn records_come_in_order_however_little_memory_there_is(
            records in prop::collection::vec(
                (0..4u64, octets(0..3, 0..5), octets(0..255, 0..300)),
                0..200,
            ),
            memory in prop::collection::vec(0..2000usize, 1..4),
        ) {
            let sorters = memory.iter().map(|memory| Sorter::new(*memory));
            let mut sorters: Vec<Sorter> = sorters.chain([Sorter::new(1 << 20)]).collect();
            for (n, (order, key, value)) in records.iter().enumerate() {
                let sorter = n % sorters.len();
                sorters[sorter].push(SortRecord { order: *order, key, value }).unwrap();
            }
            let mut expected = records.clone();
            expected.sort();
            let merge = Merge::new(sorters.into_iter().map(Sorter::finish)).unwrap();
            prop_assert_eq!(all(merge), expected);
        }
    }

    #[test]
    fn records_longer_than_what_is_read_at_once_are_whole() {
        let mut sorter = Sorter::new(1000);
        let long = vec![7; 300_000];
        for order in [2, 1, 3] {
            sorter.push(SortRecord { order, key: b"k", value: &long }).unwrap();
            sorter.push(SortRecord { order, key: &long, value: b"" }).unwrap();
        }
        let found = all(Merge::new([sorter.finish()]).unwrap());
        let sizes: Vec<_> =
            found.iter().map(|(n, key, value)| (*n, key.len(), value.len())).collect();
        let pair = |n| [(n, 300_000, 0), (n, 1, 300_000)];
        assert_eq!(sizes, [1, 2, 3].map(pair).concat());
    }
}
