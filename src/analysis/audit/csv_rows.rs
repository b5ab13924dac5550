//! Reads rows of a CSV file (RFC 4180) in bounded memory, with the number of the line on which each
//! begins.
use std::io::{self, Read};
use std::ops::Range;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Octets per read, and the size of the buffer.
const READ_BYTES: usize = 256 << 10;
/// Maximum length of a row. A longer row usually means that a quote is never closed.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Maximum number of cells in a row; real lists have dozens.
pub const CELLS_MAX: usize = 4096;

/// Reads rows one at a time, and reuses the buffers of the last one.
pub struct CsvRows<R> {
    input: R,
    core: Reader,
    buffer: Box<[u8]>,
    /// The part of `buffer` that was read but not parsed yet.
    rest: Range<usize>,
    is_at_end: bool,
    /// Where the next octet is. A row with line ends in quotes has several lines.
    place: LinePlace,
    cells: Vec<u8>,
    /// End positions of the cells in `cells`.
    ends: Vec<usize>,
}

/// A place in a file whose lines end in LF, CRLF or CR, as spreadsheets write them.
#[derive(Debug)]
struct LinePlace {
    /// The number of the line, from 1.
    line: u64,
    /// Whether the octet before is CR: an LF after it ends the same line.
    is_after_cr: bool,
}

impl LinePlace {
    /// Moves the place past `octets`.
    fn pass(&mut self, octets: &[u8]) {
        let Some(last) = octets.last() else { return };
        let ends = memchr::memchr2_iter(b'\r', b'\n', octets).filter(|at| {
            let is_after_cr = if *at == 0 { self.is_after_cr } else { octets[at - 1] == b'\r' };
            octets[*at] == b'\r' || !is_after_cr
        });
        self.line += ends.count() as u64;
        self.is_after_cr = *last == b'\r';
    }
}

/// A row, borrowed from the reader until the next one. Cells are without their quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvRow<'a> {
    /// The line on which the row begins, from 1.
    pub line: u64,
    cells: &'a [u8],
    ends: &'a [usize],
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file begins with a byte order mark of UTF-16, or has a zero among its first two octets.
    #[error("the file is UTF-16: save it as UTF-8")]
    Utf16,
    /// A row does not end within the limits.
    #[error(
        "line {line}: the row is longer than {} MiB or has more than {CELLS_MAX} cells; is a quote \
         not closed?",
        ROW_BYTES_MAX >> 20
    )]
    TooLong {
        /// The line on which the row begins, from 1.
        line: u64,
    },
    /// The file ends inside a quoted cell.
    #[error("line {line}: the file ends inside a quoted cell of this row")]
    OpenQuote {
        /// The line on which the row begins, from 1.
        line: u64,
    },
}

impl<'a> CsvRow<'a> {
    /// Returns the number of cells, at least 1: an empty line is not a row.
    pub fn len(self) -> usize {
        self.ends.len()
    }

    /// Returns the cell at position `n`; `None` if the row is shorter.
    pub fn cell(self, n: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(n)?;
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        Some(&self.cells[start..end])
    }

    /// Returns all cells, in order.
    pub fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).filter_map(move |n| self.cell(n))
    }
}

impl<R: Read> CsvRows<R> {
    /// Reads rows of `input`, whose cells are separated by `separator`.
    pub fn new(input: R, separator: u8) -> CsvRows<R> {
        CsvRows {
            input,
            core: ReaderBuilder::new().delimiter(separator).build(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            rest: 0..0,
            is_at_end: false,
            place: LinePlace { line: 1, is_after_cr: false },
            cells: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    /// Returns the next row, or `None` at the end of the file. Empty lines are skipped.
    pub fn next_row(&mut self) -> Result<Option<CsvRow<'_>>, CsvError> {
        self.skip_empty_lines()?;
        let line = self.place.line;
        let (mut cells, mut ends, mut quotes) = (0, 0, 0);
        loop {
            if self.rest.is_empty() {
                self.fill()?;
            }
            let input = &self.buffer[self.rest.clone()];
            let (result, taken, written, ended) =
                self.core.read_record(input, &mut self.cells[cells..], &mut self.ends[ends..]);
            self.place.pass(&input[..taken]);
            quotes += memchr::memchr_iter(b'"', &input[..taken]).count();
            self.rest.start += taken;
            cells += written;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.cells.len() < ROW_BYTES_MAX => {
                    self.cells.resize(self.cells.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < CELLS_MAX => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(CsvError::TooLong { line });
                }
                ReadRecordResult::Record | ReadRecordResult::End if ends == 0 => return Ok(None),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    // Quotes inside a quoted cell are doubled, so an odd number means that one is
                    // still open.
                    if self.is_at_end && self.rest.is_empty() && quotes % 2 == 1 {
                        return Err(CsvError::OpenQuote { line });
                    }
                    let (cells, ends) = (&self.cells[..cells], &self.ends[..ends]);
                    return Ok(Some(CsvRow { line, cells, ends }));
                }
            }
        }
    }

    /// Skips empty lines and counts them, so that a row has the line of its first octet.
    fn skip_empty_lines(&mut self) -> Result<(), CsvError> {
        loop {
            if self.rest.is_empty() {
                self.fill()?;
            }
            let rest = &self.buffer[self.rest.clone()];
            let empty = rest.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
            self.place.pass(&rest[..empty]);
            self.rest.start += empty;
            if !self.rest.is_empty() || self.is_at_end {
                return Ok(());
            }
        }
    }

    fn fill(&mut self) -> Result<(), CsvError> {
        let is_first = self.place.line == 1 && self.rest.end == 0;
        let mut bytes = 0;
        // The first octets may be a byte order mark, which must be seen whole.
        while !self.is_at_end && bytes < 4 {
            match self.input.read(&mut self.buffer[bytes..]) {
                Ok(0) => self.is_at_end = true,
                Ok(read) => bytes += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.rest = 0..bytes;
        if is_first {
            match &self.buffer[..bytes] {
                [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [_, 0, ..] | [0, ..] => {
                    return Err(CsvError::Utf16);
                }
                [0xef, 0xbb, 0xbf, ..] => self.rest.start = 3,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader that returns a few octets per call.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.1.min(buffer.len()).min(self.0.len());
            buffer[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn rows(text: &[u8], at_once: usize) -> Result<Vec<(u64, Vec<String>)>, CsvError> {
        let mut rows = CsvRows::new(Slowly(text, at_once), b',');
        let mut found = Vec::new();
        while let Some(row) = rows.next_row()? {
            let cells = row.cells().map(|cell| String::from_utf8_lossy(cell).into_owned());
            found.push((row.line, cells.collect()));
        }
        Ok(found)
    }

    #[test]
    fn each_row_has_the_line_on_which_it_begins() {
        let text =
            "\u{feff}email,name\r\n\r\nada@a.example,\"Ada\r\n\"\"L\"\", x\"\r\n\n\nb,\n\"c\",d";
        for at_once in [1, 2, 3, 7, 1000] {
            let found = rows(text.as_bytes(), at_once).unwrap();
            let row = |line, cells: [&str; 2]| (line, cells.map(str::to_owned).to_vec());
            let expected = [
                row(1, ["email", "name"]),
                row(3, ["ada@a.example", "Ada\r\n\"L\", x"]),
                row(7, ["b", ""]),
                row(8, ["c", "d"]),
            ];
            assert_eq!(found, expected, "{at_once} at once");
        }
    }

    /// Spreadsheets still write lists whose lines end in CR, and a row ends there.
    #[test]
    fn a_cr_alone_ends_a_line() {
        for at_once in [1, 2, 3, 1000] {
            let found = rows(b"email\r\rada@a.example\r\nbob@b.example\r\"c\rd\"\re", at_once);
            let lines: Vec<u64> = found.unwrap().iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 3, 4, 5, 7], "{at_once} at once");
        }
    }

    #[test]
    fn a_file_without_rows_has_none() {
        for text in ["", "\n", "\r\n\r\n", "\u{feff}", "\u{feff}\r\n"] {
            assert_eq!(rows(text.as_bytes(), 1).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn long_rows_and_many_cells_are_read_up_to_a_bound() {
        let long = format!("a,{}\nb,c\n", "x".repeat(1_000_000));
        let found = rows(long.as_bytes(), 1 << 20).unwrap();
        assert_eq!((found[0].1[1].len(), found[1].0), (1_000_000, 2));
        let many = format!("a{}\n", ",a".repeat(CELLS_MAX - 1));
        assert_eq!(rows(many.as_bytes(), 1 << 20).unwrap()[0].1.len(), CELLS_MAX);
        let more = format!("a\n{}\n", "a,".repeat(CELLS_MAX + 1));
        assert!(matches!(rows(more.as_bytes(), 1 << 20), Err(CsvError::TooLong { line: 2 })));
        let endless = format!("a\n\"{}", "x\n".repeat(ROW_BYTES_MAX));
        let error = rows(endless.as_bytes(), 1 << 20).unwrap_err();
        assert!(matches!(error, CsvError::TooLong { line: 2 }), "{error}");
    }

    #[test]
    fn what_is_cut_inside_quotes_or_is_utf_16_is_an_error() {
        assert!(matches!(rows(b"a\nb,\"c\n", 3), Err(CsvError::OpenQuote { line: 2 })));
        assert!(matches!(rows(b"\xff\xfea\0", 1), Err(CsvError::Utf16)));
        assert!(matches!(rows(b"\xfe\xff\0a", 1), Err(CsvError::Utf16)));
    }

    proptest! {
        #[test]
        fn any_cells_come_back_and_any_octets_are_read_without_harm(
            table in prop::collection::vec(prop::collection::vec("[a-c\",\r\n ]{0,6}", 2..4), 0..8),
            octets in prop::collection::vec(any::<u8>(), 0..200),
            at_once in 1..50usize,
        ) {
            let mut text = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            table.iter().for_each(|row| text.write_record(row).unwrap());
            let text = text.into_inner().unwrap();
            let found = rows(&text, at_once).unwrap();
            prop_assert_eq!(found.iter().map(|row| row.1.clone()).collect::<Vec<_>>(), table);
            let lines = octets.iter().filter(|octet| matches!(octet, b'\r' | b'\n')).count() as u64;
            for (line, _) in rows(&octets, at_once).unwrap_or_default() {
                prop_assert!(line <= lines + 1);
            }
        }
    }
}
