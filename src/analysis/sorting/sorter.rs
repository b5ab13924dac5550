//! Sorts records that are added in any order.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;

use super::record::{SortRecord, encode, shape};

/// Octets per write to the temporary file.
const WRITE_BYTES: usize = 256 << 10;

/// The place of a record, and the beginning of its sort key, so that comparisons rarely need the
/// record itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub order: u64,
    /// The position in the octets of all records.
    pub at: u32,
}

/// Accepts records in any order. Holds them up to a memory limit, then writes them to a file.
#[derive(Debug)]
pub struct Sorter {
    memory_bytes: usize,
    octets: Vec<u8>,
    entries: Vec<Entry>,
    spilled: Spilled,
}

/// Sorted runs in a temporary file. The file has no name, so it disappears with the process.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    pub file: Option<File>,
    pub pieces: Vec<Range<u64>>,
}

/// Sorted records, to be read by a [`Merge`](super::Merge).
#[derive(Debug)]
pub struct Sorted {
    pub(super) octets: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    pub(super) spilled: Spilled,
}

impl Sorter {
    /// `memory_bytes` limits the memory for records and for sorting them. One record is always
    /// held, whatever its size.
    pub fn new(memory_bytes: usize) -> Sorter {
        let memory_bytes = memory_bytes.min(u32::MAX as usize);
        let (octets, entries) = (Vec::new(), Vec::new());
        Sorter { memory_bytes, octets, entries, spilled: Spilled::default() }
    }

    /// Adds a record. Copies it, and sometimes sorts and writes all records held before it.
    ///
    /// Errors: the temporary file can't be made or written.
    pub fn push(&mut self, record: SortRecord<'_>) -> io::Result<()> {
        let bytes = record.key.len() + record.value.len() + size_of::<Entry>();
        if !self.entries.is_empty() && self.held_bytes().saturating_add(bytes) > self.memory_bytes {
            self.spill()?;
        }
        let at = u32::try_from(self.octets.len()).expect("the memory is bounded by 4 GiB");
        self.entries.push(Entry { order: record.order, at });
        encode(record.key, record.value, &mut self.octets);
        Ok(())
    }

    /// Ends adding, and returns the sorted records.
    pub fn finish(mut self) -> Sorted {
        self.sort();
        Sorted { octets: self.octets, entries: self.entries, spilled: self.spilled }
    }

    fn held_bytes(&self) -> usize {
        self.octets.len() + self.entries.len() * size_of::<Entry>()
    }

    fn sort(&mut self) {
        let octets = &self.octets;
        self.entries.sort_unstable_by(|a, b| {
            a.order.cmp(&b.order).then_with(|| parts(octets, *a).cmp(&parts(octets, *b)))
        });
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let file = match &mut self.spilled.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let start = self.spilled.pieces.last().map_or(0, |piece| piece.end);
        let (mut out, mut end) = (BufWriter::with_capacity(WRITE_BYTES, file), start);
        for entry in &self.entries {
            let record = &self.octets[entry.at as usize..];
            let record = &record[..shape(record).expect("it was encoded whole").bytes()];
            out.write_all(&entry.order.to_le_bytes())?;
            out.write_all(record)?;
            end += (size_of::<u64>() + record.len()) as u64;
        }
        out.flush()?;
        drop(out);
        self.spilled.pieces.push(start..end);
        self.octets.clear();
        self.entries.clear();
        Ok(())
    }
}

/// Returns key and value of the record that `entry` points at.
pub(super) fn parts(octets: &[u8], entry: Entry) -> (&[u8], &[u8]) {
    let octets = &octets[entry.at as usize..];
    shape(octets).expect("it was encoded whole").parts(octets)
}
