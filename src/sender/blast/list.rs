//! A list of recipients: one address per line, or CSV with a header row (RFC 4180).
use std::path::Path;

use crate::machine::{BoundedFile, read_bounded};
use crate::sender::input::{BadRows, ListError, RowRemedy};
use crate::wording::excerpt;

/// Maximum size of a list. Reading it takes twice its size in memory; afterwards, it takes its size
/// and four octets per cell.
pub const LIST_BYTES_MAX: u64 = 1 << 30;

/// Maximum length of an address; RFC 5321 section 4.5.3.1.3 requires servers to accept 254.
const MAILBOX_BYTES_MAX: usize = 900;

/// Maximum number of characters of a bad row that an error shows.
const SHOWN_MAX: usize = 60;

/// Addresses, with the other columns of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The name of the file, for errors.
    file: String,
    columns: Vec<String>,
    /// The index of the column with the address.
    address: usize,
    /// The text of all cells, row by row.
    text: String,
    /// The end positions of the cells.
    ends: Vec<u32>,
}

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientListError {
    /// The file can't be read.
    #[error("{file}: cannot be read")]
    Io {
        /// The name of the file.
        file: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{file}: expected a list of at most 1 GiB, found at least {bytes} bytes")]
    TooLarge {
        /// The name of the file.
        file: String,
        /// The size of the file, or how much of it was read.
        bytes: u64,
    },
    /// The list is empty.
    #[error("{file}: expected at least one recipient")]
    Empty {
        /// The name of the file.
        file: String,
    },
    /// Rows have no valid recipient.
    #[error(transparent)]
    Rows(BadRows<RowError>),
}

impl ListError for RecipientListError {
    fn names_rows(&self) -> bool {
        matches!(self, RecipientListError::Rows(_))
    }
}

/// Why a row has no valid recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A column of the header row, counted from 1, has no usable name.
    #[error("column {0} needs a name without braces")]
    ColumnName(usize),
    /// Two columns have this name.
    #[error("two columns are called '{0}'")]
    ColumnTwice(String),
    /// The row and the header row differ in their number of cells.
    #[error("expected {expected} cells, as in the header row, found {found}")]
    Cells {
        /// Number of cells in the header row.
        expected: usize,
        /// Number of cells in this row.
        found: usize,
    },
    /// The cell with the address contains other text.
    #[error("expected an address such as ann@example.org, found '{0}'")]
    Address(String),
    /// The text is not UTF-8 at this octet, counted from 1.
    #[error("expected text in UTF-8, found an invalid byte at position {0}")]
    Utf8(usize),
    /// The row contains a control character other than a tab.
    #[error("a control character ({:#04x}) in '{text}'", u32::from(*character))]
    Control {
        /// The character.
        character: char,
        /// The row, shortened if it is long.
        text: String,
    },
    /// Text follows a quoted cell.
    #[error("expected a comma, found '{0}'")]
    Comma(String),
    /// A quoted cell is not closed.
    #[error("a quoted cell has no end on its line")]
    Quote,
}

/// How the rows of a list are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowForm {
    /// One address per row.
    Addresses,
    /// Cells, named by a header row.
    Csv,
}

impl List {
    /// Reads a list from a file.
    ///
    /// Errors: reading continues to the end, and the error names the first ten bad rows.
    pub fn read(path: &Path) -> Result<List, RecipientListError> {
        let file = path.display().to_string();
        let io = |source| RecipientListError::Io { file: path.display().to_string(), source };
        match read_bounded(path, LIST_BYTES_MAX).map_err(io)? {
            BoundedFile::Whole(octets) => List::parse(&file, &octets),
            BoundedFile::TooLarge(bytes) => Err(RecipientListError::TooLarge { file, bytes }),
        }
    }

    /// Parses a list. `file` is its name, for errors. Lines end in LF or CRLF; empty lines are
    /// ignored.
    pub fn parse(file: &str, octets: &[u8]) -> Result<List, RecipientListError> {
        let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
        let mut list = List::empty(file);
        let mut bad = BadRows::new(file, RowRemedy::Remove);
        let (mut is_first, mut form) = (true, RowForm::Addresses);
        for (line, row) in (1..).zip(octets.split(|&octet| octet == b'\n')) {
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            if row.trim_ascii().is_empty() {
                continue;
            }
            let added = if std::mem::take(&mut is_first) && !row.contains(&b'@') {
                form = RowForm::Csv;
                list.set_names(row)
            } else {
                list.add_row(row, form)
            };
            if let Err(reason) = added {
                bad.add(line, reason);
            }
        }
        let list = bad.none_or(list).map_err(RecipientListError::Rows)?;
        if list.ends.is_empty() {
            Err(RecipientListError::Empty { file: file.to_owned() })
        } else {
            Ok(list)
        }
    }

    /// Returns an empty list of plain addresses.
    fn empty(file: &str) -> List {
        let columns = vec!["email".into()];
        List { file: file.to_owned(), columns, address: 0, text: String::new(), ends: Vec::new() }
    }

    /// Reads the header row: the address is in the column `email`, or else in the first column.
    fn set_names(&mut self, row: &[u8]) -> Result<(), RowError> {
        let (mut text, mut ends) = (String::new(), Vec::new());
        cells(utf8(row)?, &mut text, &mut ends)?;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let names = starts.zip(&ends).map(|(start, &end)| &text[start as usize..end as usize]);
        self.columns = names.map(|name| name.trim().to_owned()).collect();
        for (n, name) in self.columns.iter().enumerate() {
            if name.is_empty() || name.contains(['{', '}']) {
                return Err(RowError::ColumnName(n + 1));
            }
            if self.columns[..n].contains(name) {
                return Err(RowError::ColumnTwice(name.clone()));
            }
        }
        let is_email = |name: &String| name.eq_ignore_ascii_case("email");
        self.address = self.columns.iter().position(is_email).unwrap_or(0);
        Ok(())
    }

    fn add_row(&mut self, row: &[u8], form: RowForm) -> Result<(), RowError> {
        let (text_bytes, cells_before) = (self.text.len(), self.ends.len());
        let result = self.append_row(utf8(row)?, form);
        if result.is_err() {
            self.text.truncate(text_bytes);
            self.ends.truncate(cells_before);
        }
        result
    }

    fn append_row(&mut self, row: &str, form: RowForm) -> Result<(), RowError> {
        let cells_before = self.ends.len();
        if form == RowForm::Csv {
            cells(row, &mut self.text, &mut self.ends)?;
        } else {
            self.text.push_str(row.trim());
            self.ends.push(self.text.len() as u32);
        }
        let (found, expected) = (self.ends.len() - cells_before, self.columns.len());
        if found != expected {
            return Err(RowError::Cells { expected, found });
        }
        let address = self.cell_at(cells_before + self.address);
        if !is_mailbox(address) {
            return Err(RowError::Address(excerpt(address, SHOWN_MAX)));
        }
        Ok(())
    }

    /// Returns the name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the number of recipients.
    pub fn rows(&self) -> u64 {
        (self.ends.len() / self.columns.len()) as u64
    }

    /// Returns the names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    fn cell_at(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }

    /// Returns a cell. `row` must be below `rows()`.
    pub fn cell(&self, row: u64, column: usize) -> &str {
        self.cell_at(row as usize * self.columns.len() + column)
    }

    /// Returns the mailbox of a row, without angle brackets.
    pub fn address(&self, row: u64) -> &str {
        self.cell(row, self.address)
    }
}

/// Returns whether the text is a mailbox with a domain, short enough for a header line (RFC 5322
/// section 2.1.1).
pub fn is_mailbox(text: &str) -> bool {
    text.contains('@')
        && text.len() <= MAILBOX_BYTES_MAX
        && crate::sender::is_mailbox(text.as_bytes())
}

fn utf8(row: &[u8]) -> Result<&str, RowError> {
    let text = std::str::from_utf8(row).map_err(|error| RowError::Utf8(error.valid_up_to() + 1))?;
    match text.chars().find(|c| c.is_control() && *c != '\t') {
        None => Ok(text),
        Some(character) => Err(RowError::Control { character, text: excerpt(text, SHOWN_MAX) }),
    }
}

/// Appends the cells of a row. A quoted cell must end on its line.
fn cells(row: &str, text: &mut String, ends: &mut Vec<u32>) -> Result<(), RowError> {
    let mut rest = row;
    loop {
        rest = match rest.trim_start_matches([' ', '\t']).strip_prefix('"') {
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                text.push_str(rest[..end].trim());
                &rest[end..]
            }
            Some(quoted) => unquoted(quoted, text)?,
        };
        ends.push(text.len() as u32);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(()),
            None => return Err(RowError::Comma(excerpt(rest, SHOWN_MAX))),
        }
    }
}

/// Appends a quoted cell to `text`. `quoted` starts after the opening quote. Returns what follows
/// the closing quote, without blanks.
fn unquoted<'a>(quoted: &'a str, text: &mut String) -> Result<&'a str, RowError> {
    let mut rest = quoted;
    loop {
        let end = rest.find('"').ok_or(RowError::Quote)?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            None => return Ok(rest.trim_start_matches([' ', '\t'])),
            Some(after) => {
                text.push('"');
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<List, String> {
        List::parse("list", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_address_a_line() {
        let list =
            parse("\u{feff}ann@example.org\r\n\n  \"b,c\"@example.org \nd\u{f6}@example.org");
        let list = list.unwrap();
        assert_eq!(list.rows(), 3);
        let addresses: Vec<_> = (0..3).map(|row| list.address(row)).collect();
        assert_eq!(addresses, ["ann@example.org", "\"b,c\"@example.org", "d\u{f6}@example.org"]);
        assert_eq!(list.columns(), ["email"]);
    }

    #[test]
    fn a_table_with_a_header_row() {
        let list = parse(
            "name, Email ,note\nAnn,ann@example.org,\n\"B, \"\"C\"\"\" , b@example.org,\"x\"\n",
        );
        let list = list.unwrap();
        assert_eq!(list.columns(), ["name", "Email", "note"]);
        assert_eq!(
            (list.cell(0, 0), list.address(0), list.cell(0, 2)),
            ("Ann", "ann@example.org", "")
        );
        assert_eq!(
            (list.cell(1, 0), list.address(1), list.cell(1, 2)),
            ("B, \"C\"", "b@example.org", "x")
        );
        assert_eq!(parse("who,x\na@b.example,1").unwrap().address(0), "a@b.example");
    }

    #[test]
    fn bad_rows_are_named() {
        for (text, expected) in [
            ("", "list: expected at least one recipient"),
            ("email,x\n", "list: expected at least one recipient"),
            (
                "ann@example.org\nann@\n@b",
                "list:2: expected an address such as ann@example.org, found 'ann@'\n\
                 list:3: expected an address such as ann@example.org, found '@b'",
            ),
            (
                "Ann <a@b.example>",
                "list:1: expected an address such as ann@example.org, found 'Ann <a@b.example>'",
            ),
            ("a@b\r.example", "list:1: a control character (0x0d) in 'a@b\u{fffd}.example'"),
            ("email,x\na@b.example", "list:2: expected 2 cells, as in the header row, found 1"),
            ("email\n\"a@b.example", "list:2: a quoted cell has no end on its line"),
            ("email\n\"a@b.example\"x", "list:2: expected a comma, found 'x'"),
            ("email,email\na@b.example,1", "list:1: two columns are called 'email'"),
        ] {
            let error = parse(text).unwrap_err();
            let rows = error.split_once(" them\n").or(error.split_once(" it\n"));
            assert_eq!(rows.map_or(&*error, |(_, rows)| rows), expected, "{text:?}");
        }
        let error = List::parse("list", b"a@b.example\n\xff@b.example").unwrap_err();
        assert_eq!(
            error.to_string(),
            "list: 1 bad row; correct or remove it\n\
             list:2: expected text in UTF-8, found an invalid byte at position 1"
        );
    }

    #[test]
    fn ten_bad_rows_are_enough() {
        let text = |rows: usize| "a@b.example\n".to_owned() + &"bad@\n".repeat(rows);
        for (rows, lines, last) in [(9, 10, "'bad@'"), (10, 11, "'bad@'"), (11, 12, "1 more")] {
            let error = parse(&text(rows)).unwrap_err();
            assert_eq!(error.lines().count(), lines, "{rows}");
            assert!(error.ends_with(last), "{rows}: {error}");
        }
    }
}
