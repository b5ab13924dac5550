//! Reads the list of expected recipients: a CSV file with a header line.
use std::io::Read;

use super::csv_rows::{CsvError, CsvRow, CsvRows};
use super::key::{Key, KeyFault, KeyRule};
use crate::analysis::sorting::{SortRecord, Sorter};
use crate::wording::{nearest, readable};

/// Names of the key column, tried in this order when no column is named.
const KEY_COLUMNS: [&str; 3] = ["email", "recipient", "rcpt_to"];
/// Maximum number of unusable rows that are reported individually.
const FAULTS_LISTED_MAX: usize = 20;

/// How a list is read: its separator, and which of its columns matter.
#[derive(Debug, Clone)]
pub struct ListRule {
    /// The column with the key; `None` for the first of `email`, `recipient` and `rcpt_to`.
    pub column: Option<String>,
    /// Columns whose values each message must contain.
    pub must_contain: Vec<String>,
    /// The octet between cells, such as a comma.
    pub separator: u8,
}

/// Whether a list may have several rows about one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRule {
    /// Allowed; the first row counts.
    Repeated,
    /// Not allowed; repeated rows make the audit inconclusive.
    Unique,
}

/// How many rows of a list are usable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTotals {
    /// Rows with a key, repeated ones included.
    pub rows: u64,
    /// Rows of the list that could not be used.
    pub bad_rows: u64,
    /// The first 20 unusable rows: line and reason.
    pub faults: Vec<(u64, RowFault)>,
    /// The name of the column with the key, as in the header line.
    pub column: String,
}

/// Why a row is unusable. The audit continues without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// The row has more or fewer cells than the header line.
    #[error("expected as many cells as the header line ({expected}), found {found}")]
    Cells {
        /// The number of cells in the row.
        found: usize,
        /// Number of cells in the header line.
        expected: usize,
    },
    /// The cell of the key column is not a key.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// A value that messages must contain is not UTF-8.
    #[error("{column}: not UTF-8")]
    NotUtf8 {
        /// The name of the column with the value.
        column: String,
    },
}

/// Why a whole list is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedListError {
    /// The rows can't be read.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// There is no header line.
    #[error("the file is empty; the first line must name the columns")]
    Empty,
    /// The header line is a single cell, which contains another separator.
    #[error("{}", header(.found))]
    Separator {
        /// The only cell of the header line.
        found: String,
        /// The separator that was probably meant.
        meant: OtherSeparator,
    },
    /// The header line lacks the key column, or a column of `must_contain`.
    #[error("{}", no_column(.wanted.as_deref(), .found))]
    NoColumn {
        /// The column; `None` if no column was named and none of the usual names exists.
        wanted: Option<String>,
        /// The columns in the header line.
        found: Vec<String>,
    },
    /// Two columns have the required name, exactly or apart from case.
    #[error("two columns are called '{0}'")]
    TwoColumns(String),
    /// A temporary file can't be made or written.
    #[error("cannot write temporary data; set TMPDIR to a folder with free space")]
    Sort(#[source] std::io::Error),
}

/// A separator of cells other than the comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSeparator {
    /// A semicolon.
    Semicolon,
    /// A tab.
    Tab,
}

impl OtherSeparator {
    /// Returns the separator that is in `cell`; `None` if neither is.
    fn in_cell(cell: &str) -> Option<OtherSeparator> {
        match cell {
            _ if cell.contains(';') => Some(OtherSeparator::Semicolon),
            _ if cell.contains('\t') => Some(OtherSeparator::Tab),
            _ => None,
        }
    }
}

/// An expected recipient, decoded from its record: its line, and the values that its message must
/// contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The line on which the row begins, from 1.
    pub line: u64,
    values: &'a [u8],
}

impl<'a> Expected<'a> {
    /// Decodes the value of a record that [`read_list`] made.
    pub fn decode(value: &'a [u8]) -> Expected<'a> {
        let (line, values) = value.split_first_chunk().expect("each record begins with a line");
        Expected { line: u64::from_be_bytes(*line), values }
    }

    /// Returns the encoded values that the message must contain; empty if there are none.
    pub fn encoded_values(&self) -> &'a [u8] {
        self.values
    }
}

/// Splits encoded values, in the order of their columns.
pub fn decoded_values(mut encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = encoded.split_first_chunk()?;
        let (value, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        encoded = rest;
        Some(value)
    })
}

/// Reads a list into `sorted`, one record per row with a key.
///
/// Takes about 0.3 µs per row. Errors: see [`ExpectedListError`]; an unusable row is not an error.
pub fn read_list(
    input: impl Read,
    rule: &ListRule,
    key_rule: &KeyRule,
    sorted: &mut Sorter,
) -> Result<ListTotals, ExpectedListError> {
    let mut rows = CsvRows::new(input, rule.separator);
    let columns = ListColumns::of(rows.next_row()?.ok_or(ExpectedListError::Empty)?, rule)?;
    let mut totals = ListTotals { column: columns.name.clone(), ..ListTotals::default() };
    let (mut key, mut value) = (Key::default(), Vec::new());
    while let Some(row) = rows.next_row()? {
        match columns.take(row, key_rule, &mut key, &mut value) {
            Ok(()) => {
                totals.rows += 1;
                let record = SortRecord { order: key.order, key: &key.text, value: &value };
                sorted.push(record).map_err(ExpectedListError::Sort)?;
            }
            Err(fault) => {
                totals.bad_rows += 1;
                if totals.faults.len() < FAULTS_LISTED_MAX {
                    totals.faults.push((row.line, fault));
                }
            }
        }
    }
    Ok(totals)
}

/// Where in each row the required cells are.
struct ListColumns {
    name: String,
    key: usize,
    /// Position and name of each column whose values messages must contain.
    must_contain: Vec<(usize, String)>,
    cells: usize,
}

impl ListColumns {
    fn of(header: CsvRow<'_>, rule: &ListRule) -> Result<ListColumns, ExpectedListError> {
        let names = header.cells().map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
        let names: Vec<String> = names.collect();
        let no_column = |wanted: Option<&String>| match &names[..] {
            [only] if let Some(meant) = OtherSeparator::in_cell(only) => {
                ExpectedListError::Separator { found: only.clone(), meant }
            }
            _ => ExpectedListError::NoColumn { wanted: wanted.cloned(), found: names.clone() },
        };
        let key = match &rule.column {
            Some(name) => position(&names, name)?.ok_or_else(|| no_column(Some(name)))?,
            None => {
                let known = KEY_COLUMNS.iter().map(|name| position(&names, name));
                let known = known.collect::<Result<Vec<_>, _>>()?;
                known.into_iter().flatten().next().ok_or_else(|| no_column(None))?
            }
        };
        let must_contain = rule.must_contain.iter().map(|name| {
            let n = position(&names, name)?.ok_or_else(|| no_column(Some(name)))?;
            Ok((n, names[n].clone()))
        });
        let must_contain = must_contain.collect::<Result<Vec<_>, ExpectedListError>>()?;
        Ok(ListColumns { name: names[key].clone(), key, must_contain, cells: names.len() })
    }

    fn take(
        &self,
        row: CsvRow<'_>,
        rule: &KeyRule,
        key: &mut Key,
        value: &mut Vec<u8>,
    ) -> Result<(), RowFault> {
        if row.len() != self.cells {
            return Err(RowFault::Cells { found: row.len(), expected: self.cells });
        }
        rule.set_from_list(row.cell(self.key).unwrap_or_default(), key)?;
        value.clear();
        value.extend_from_slice(&row.line.to_be_bytes());
        for (n, name) in &self.must_contain {
            let cell = row.cell(*n).unwrap_or_default().trim_ascii();
            if str::from_utf8(cell).is_err() {
                return Err(RowFault::NotUtf8 { column: name.clone() });
            }
            let length = u32::try_from(cell.len()).expect("rows are far shorter than 4 GiB");
            value.extend_from_slice(&length.to_le_bytes());
            value.extend_from_slice(cell);
        }
        Ok(())
    }
}

/// Returns the position of a column, matching its name exactly or else without regard to case.
fn position(names: &[String], name: &str) -> Result<Option<usize>, ExpectedListError> {
    let find = |is_sought: &dyn Fn(&str) -> bool| {
        let mut found = names.iter().enumerate().filter(|(_, name)| is_sought(name));
        let first = found.next().map(|(n, _)| n);
        match found.next() {
            Some(_) => Err(ExpectedListError::TwoColumns(name.to_owned())),
            None => Ok(first),
        }
    };
    match find(&|other| other == name)? {
        Some(n) => Ok(Some(n)),
        None => find(&|other| other.eq_ignore_ascii_case(name)),
    }
}

/// Returns a sentence that shows the header line.
fn header(text: &str) -> String {
    format!("the header line has: {}", readable(text.as_bytes()))
}

fn no_column(wanted: Option<&str>, found: &[String]) -> String {
    let shown: Vec<&str> = found.iter().take(20).map(String::as_str).collect();
    let listed = header(&shown.join(", "));
    let Some(wanted) = wanted else {
        return format!(
            "no column is named {} or {} ({listed})",
            KEY_COLUMNS[..2].join(", "),
            KEY_COLUMNS[2]
        );
    };
    match nearest(wanted, found.iter().map(String::as_str)) {
        Some(name) => format!("no column is named '{wanted}' ({listed}); did you mean '{name}'?"),
        None => format!("no column is named '{wanted}' ({listed})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::audit::address::{AddressFault, AddressFolding};
    use crate::analysis::audit::key::{KeyKind, KeySource};
    use crate::analysis::sorting::Merge;

    fn rule(column: Option<&str>, must_contain: &[&str]) -> ListRule {
        let must_contain = must_contain.iter().map(|name| (*name).to_owned()).collect();
        ListRule { column: column.map(str::to_owned), must_contain, separator: b',' }
    }

    type Found = (Vec<(String, u64, Vec<String>)>, ListTotals);

    fn read(text: &str, rule: &ListRule) -> Result<Found, ExpectedListError> {
        let key_rule = KeyRule {
            source: KeySource::Recipient,
            pattern: None,
            kind: KeyKind::Text,
            folding: AddressFolding::default(),
        };
        let mut sorter = Sorter::new(1 << 20);
        let totals = read_list(text.as_bytes(), rule, &key_rule, &mut sorter)?;
        let mut merge = Merge::new([sorter.finish()]).unwrap();
        let mut found = Vec::new();
        while let Some(record) = merge.head() {
            let expected = Expected::decode(record.value);
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            let values = decoded_values(expected.encoded_values()).map(text).collect();
            found.push((text(record.key), expected.line, values));
            merge.advance().unwrap();
        }
        found.sort_by_key(|row| row.1);
        Ok((found, totals))
    }

    #[test]
    fn rows_have_a_key_and_the_values_that_must_appear() {
        let text = "number,Email,Name\n1,Ada@A.example,\" Ada, L. \"\n2,bob@b.example,\n";
        let (found, totals) = read(text, &rule(None, &["name", "number"])).unwrap();
        let row = |key: &str, line, values: [&str; 2]| {
            (key.to_owned(), line, values.map(str::to_owned).to_vec())
        };
        let expected =
            [row("Ada@a.example", 2, ["Ada, L.", "1"]), row("bob@b.example", 3, ["", "2"])];
        assert_eq!(found, expected);
        assert_eq!((totals.rows, totals.bad_rows, &*totals.column), (2, 0, "Email"));
    }

    #[test]
    fn a_bad_row_is_counted_with_its_line_and_the_reason() {
        let text = "email,name\nada,x\na@b.example\nb@b.example,\"Q\n\",\n,x\nc@b.example,d\n";
        let (found, totals) = read(text, &rule(None, &[])).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((totals.rows, totals.bad_rows), (1, 4));
        let cells = |found| RowFault::Cells { found, expected: 2 };
        let address = |fault| RowFault::Key(KeyFault::Address(fault));
        let expected = [
            (2, address(AddressFault::NoDomain)),
            (3, cells(1)),
            (4, cells(3)),
            (6, address(AddressFault::Empty)),
        ];
        assert_eq!(totals.faults, expected);
    }

    #[test]
    fn a_column_that_is_missing_or_not_the_only_one_is_an_error_that_lists_them() {
        let error = |text, rule: &ListRule| read(text, rule).unwrap_err().to_string();
        let no_header = error("ada@a.example\n", &rule(None, &[]));
        assert!(no_header.contains("the header line has: ada@a.example"), "{no_header}");
        let mistyped = error("email,name\n", &rule(None, &["nam"]));
        assert!(mistyped.contains("did you mean 'name'?"), "{mistyped}");
        assert!(error("a,a\n", &rule(Some("a"), &[])).contains("two columns are called 'a'"));
        assert!(error("email;name\n", &rule(None, &[])).contains("email;name"));
        assert!(matches!(read("", &rule(None, &[])), Err(ExpectedListError::Empty)));
        assert!(read("rcpt_to,recipient\na@b.example,c@b.example\n", &rule(None, &[])).is_ok());
    }
}
