//! A position in one sorted run.
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::record::{RecordShape, SortRecord, shape};
use super::sorter::{Entry, parts};

/// A sorted run, and its next record.
#[derive(Debug)]
pub enum Cursor {
    Memory { octets: Vec<u8>, entries: std::vec::IntoIter<Entry> },
    File(FileCursor),
}

/// A sorted run in a temporary file, read in portions.
#[derive(Debug)]
pub struct FileCursor {
    file: Arc<File>,
    /// The position in the file up to which it was read.
    at: u64,
    end: u64,
    /// Octets per read; more if a record is longer.
    read_bytes: usize,
    buffer: Vec<u8>,
    /// The position in `buffer` of the next record, after its number.
    next: usize,
    /// The next record; `None` at the end.
    head: Option<(u64, RecordShape)>,
}

impl Cursor {
    /// Returns the next record; `None` at the end.
    pub fn head(&self) -> Option<SortRecord<'_>> {
        match self {
            Cursor::Memory { octets, entries } => {
                let entry = *entries.as_slice().first()?;
                let (key, value) = parts(octets, entry);
                Some(SortRecord { order: entry.order, key, value })
            }
            Cursor::File(piece) => {
                let (order, shape) = piece.head?;
                let (key, value) = shape.parts(&piece.buffer[piece.next..]);
                Some(SortRecord { order, key, value })
            }
        }
    }

    /// Advances to the next record.
    ///
    /// Errors: the file can't be read, or ends too early.
    pub fn advance(&mut self) -> io::Result<()> {
        match self {
            Cursor::Memory { entries, .. } => {
                entries.next();
                Ok(())
            }
            Cursor::File(piece) => piece.advance(),
        }
    }
}

impl FileCursor {
    /// Starts at the first record of a run, which is a part of the file.
    pub fn new(file: Arc<File>, piece: Range<u64>, read_bytes: usize) -> io::Result<FileCursor> {
        let Range { start: at, end } = piece;
        let (buffer, next, head) = (Vec::new(), 0, None);
        let mut piece = FileCursor { file, at, end, read_bytes, buffer, next, head };
        piece.read_head()?;
        Ok(piece)
    }

    fn advance(&mut self) -> io::Result<()> {
        let Some((_, shape)) = self.head else { return Ok(()) };
        self.next += shape.bytes();
        self.read_head()
    }

    /// Reads number and lengths of the record at `next`, and the record itself.
    fn read_head(&mut self) -> io::Result<()> {
        self.head = None;
        loop {
            let rest = &self.buffer[self.next..];
            if let Some((order, octets)) = rest.split_first_chunk()
                && let Some(shape) = shape(octets)
                && shape.bytes() <= octets.len()
            {
                self.head = Some((u64::from_le_bytes(*order), shape));
                self.next += size_of::<u64>();
                return Ok(());
            }
            if self.at == self.end {
                let is_whole = rest.is_empty();
                return if is_whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            self.fill()?;
        }
    }

    /// Reads more of the file, after moving the unused part of the buffer to its front.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.next);
        self.next = 0;
        let kept = self.buffer.len();
        let wanted = self.read_bytes.max(kept) as u64;
        let wanted = usize::try_from(wanted.min(self.end - self.at)).expect("it is below a usize");
        self.buffer.resize(kept + wanted, 0);
        self.file.read_exact_at(&mut self.buffer[kept..], self.at)?;
        self.at += wanted as u64;
        Ok(())
    }
}
