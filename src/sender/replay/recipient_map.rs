//! Maps recipients to other addresses, from a list with old and new values.
//!
//! ```text
//! # comment
//! ann@example.com      ann@staging.test     that recipient
//! @example.com         @staging.test        its domain; the local part stays
//! @example.org         all@staging.test     everyone there
//! *                    @elsewhere.test      everyone else
//! ```
//!
//! The most specific row applies: the address, then its domain, then `*`. The two values are
//! separated by spaces, tabs or a comma. Domains are compared without regard to case, local parts
//! with regard to it (RFC 5321 section 2.4).
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::sender::input::{BadRows, ListError, RowRemedy, is_mailbox, split};

/// Maximum number of rows; each takes about 150 octets of memory.
const ROWS_MAX: usize = 10_000_000;
/// Maximum length of a row in octets: two paths and what surrounds them.
const ROW_BYTES_MAX: usize = 4096;
/// Some editors write this before UTF-8 text. It is not part of an address.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The new recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
enum New {
    Mailbox(Box<[u8]>),
    /// A new domain; the local part stays.
    Domain(Box<[u8]>),
}

/// A map of recipients.
#[derive(Debug, Clone, Default)]
pub struct RecipientMap {
    /// Keys are mailboxes with the domain in lower case, or `@domain` in lower case.
    rows: HashMap<Box<[u8]>, New>,
    everyone_else: Option<New>,
    /// The XXH3 hash of the file.
    digest: u128,
}

/// A file, and the hash of the octets read from it: a pipe can't be read twice.
struct Digested {
    file: File,
    xxh3: Xxh3,
}

/// Why a list is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The file can't be read.
    #[error("{file}: cannot be read")]
    Io {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The list is empty, so all mail would go to its original recipients, which can't be intended.
    #[error("{0}: expected at least one row")]
    Empty(PathBuf),
    /// Rows are invalid.
    #[error(transparent)]
    Rows(BadRows<MapRowError>),
}

impl ListError for MapError {
    fn names_rows(&self) -> bool {
        matches!(self, MapError::Rows(_))
    }
}

/// Why a row of a map is invalid. Texts of the row have their control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapRowError {
    /// The row is too long.
    #[error("longer than {ROW_BYTES_MAX} bytes")]
    TooLong,
    /// The row has only this value.
    #[error("expected two values, OLD and NEW, found only '{0}'")]
    OneValue(String),
    /// Other text follows the two values.
    #[error("expected two values, OLD and NEW, found a third: '{0}'")]
    MoreValues(String),
    /// The new value can't be the recipient of a message.
    #[error("expected an address or @domain, found '{0}'")]
    New(String),
    /// The old value can't match a recipient.
    #[error("expected an address, @domain or *, found '{0}'")]
    Old(String),
    /// An earlier row has the same old value.
    #[error("duplicate row for '{0}'")]
    Duplicate(String),
    /// The list is too long.
    #[error("more than {ROWS_MAX} rows")]
    TooMany,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.xxh3.update(&buffer[..read]);
        Ok(read)
    }
}

impl RecipientMap {
    /// Reads a list, in one pass.
    ///
    /// Errors: the list can't be read, or has invalid rows; reading then continues to its end.
    pub fn open(path: &Path) -> Result<RecipientMap, MapError> {
        let io = |source| MapError::Io { file: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let mut file = BufReader::new(Digested { file, xxh3: Xxh3::new() });
        let mut map = RecipientMap::read(&mut file, path)?;
        map.digest = file.get_ref().xxh3.digest128();
        Ok(map)
    }

    /// Returns a hash of the file.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    fn read(mut file: impl BufRead, path: &Path) -> Result<RecipientMap, MapError> {
        let mut map = RecipientMap::default();
        let mut bad = BadRows::new(path.display().to_string(), RowRemedy::Comment);
        let (mut row, mut line) = (Vec::new(), 0);
        loop {
            line += 1;
            let reason = match next_row(&mut file, &mut row) {
                Ok(false) => break,
                Ok(true) if row.len() > ROW_BYTES_MAX => Err(MapRowError::TooLong),
                Ok(true) if line == 1 => {
                    map.add_row(row.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&row))
                }
                Ok(true) => map.add_row(&row),
                Err(source) => return Err(MapError::Io { file: path.to_owned(), source }),
            };
            if let Err(reason) = reason {
                bad.add(line, reason);
            }
        }
        let map = bad.none_or(map).map_err(MapError::Rows)?;
        let is_empty = map.rows.is_empty() && map.everyone_else.is_none();
        if is_empty { Err(MapError::Empty(path.to_owned())) } else { Ok(map) }
    }

    fn add_row(&mut self, row: &[u8]) -> Result<(), MapRowError> {
        let row = row.trim_ascii();
        if row.is_empty() || row.starts_with(b"#") {
            return Ok(());
        }
        let (old, rest) = token(row);
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let (new, rest) = token(rest);
        if new.is_empty() {
            return Err(MapRowError::OneValue(excerpt(old)));
        }
        if !rest.is_empty() && !rest.starts_with(b"#") {
            return Err(MapRowError::MoreValues(excerpt(rest)));
        }
        let new = match (new.strip_prefix(b"@"), old) {
            (Some(domain), _) if is_mailbox(&[b"x@", domain].concat()) => {
                New::Domain(domain.into())
            }
            (None, _) if is_mailbox(new) => New::Mailbox(new.into()),
            _ => return Err(MapRowError::New(excerpt(new))),
        };
        if old == b"*" {
            return match self.everyone_else.replace(new) {
                None => Ok(()),
                Some(_) => Err(MapRowError::Duplicate("*".into())),
            };
        }
        let is_old = match old.strip_prefix(b"@") {
            Some(domain) => is_mailbox(&[b"x@", domain].concat()),
            None => is_mailbox(old),
        };
        if !is_old {
            return Err(MapRowError::Old(excerpt(old)));
        }
        if self.rows.len() >= ROWS_MAX {
            return Err(MapRowError::TooMany);
        }
        match self.rows.insert(key(old).into(), new) {
            None => Ok(()),
            Some(_) => Err(MapRowError::Duplicate(excerpt(old))),
        }
    }

    /// Appends the new address of `mailbox` to `out`; `None` if no row matches.
    pub fn apply(&self, mailbox: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (local, domain) = split(mailbox);
        let exact = key(mailbox);
        let at = exact.len() - domain.map_or(0, |domain| domain.len() + 1);
        let new = self
            .rows
            .get(&exact[..])
            .or_else(|| self.rows.get(&exact[at..]))
            .or(self.everyone_else.as_ref())?;
        match new {
            New::Mailbox(new) => out.extend_from_slice(new),
            New::Domain(domain) => {
                out.extend_from_slice(local);
                out.push(b'@');
                out.extend_from_slice(domain);
            }
        }
        Some(())
    }
}

/// Reads the next row, cut off one octet above the maximum length. Returns `false` at the end.
fn next_row(file: &mut impl BufRead, row: &mut Vec<u8>) -> io::Result<bool> {
    row.clear();
    let mut is_any = false;
    loop {
        let found = file.fill_buf()?;
        if found.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let end = memchr::memchr(b'\n', found);
        let piece = &found[..end.unwrap_or(found.len())];
        let room = (ROW_BYTES_MAX + 1).saturating_sub(row.len());
        row.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = end.map_or(found.len(), |end| end + 1);
        file.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Splits off the first word, which ends at a blank or comma outside of quotes; the rest starts
/// after the blanks.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut at, mut is_quoted) = (0, false);
    while let Some(octet) = text.get(at) {
        match octet {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => at += 1,
            b' ' | b'\t' | b',' if !is_quoted => break,
            _ => {}
        }
        at += 1;
    }
    let (word, rest) = text.split_at(at.min(text.len()));
    (word, rest.trim_ascii_start())
}

/// Returns the mailbox with its domain in lower case.
fn key(mailbox: &[u8]) -> Vec<u8> {
    let mut key = mailbox.to_vec();
    let local = split(mailbox).0.len();
    key[local..].make_ascii_lowercase();
    key
}

/// Returns octets as an error shows them.
pub(super) fn excerpt(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RecipientMap, String> {
        RecipientMap::read(text.as_bytes(), Path::new("list")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_most_exact_row_counts() {
        let text = "# who\r\n\n  ann@Example.com\tann@s.test # mine\n@EXAMPLE.com, @s.test\n\
                    @example.org all@s.test\n\"a, b\"@c.test,\"c d\"@e.test\n*   @rest.test";
        let map = read(text).unwrap();
        for (old, new) in [
            ("ann@example.com", "ann@s.test"),
            ("ann@EXAMPLE.COM", "ann@s.test"),
            ("Ann@example.com", "Ann@s.test"), // RFC 5321 section 2.4: another local part
            ("bob@example.com", "bob@s.test"),
            ("\"x@example.org\"@example.com", "\"x@example.org\"@s.test"),
            ("bob@example.org", "all@s.test"),
            ("\"a, b\"@c.test", "\"c d\"@e.test"),
            ("x@other.test", "x@rest.test"),
            ("x@[10.0.0.1]", "x@rest.test"),
            ("postmaster", "postmaster@rest.test"),
        ] {
            let mut out = Vec::new();
            assert_eq!(map.apply(old.as_bytes(), &mut out), Some(()), "{old}");
            assert_eq!(String::from_utf8(out).unwrap(), new, "{old}");
        }
        let map = read("a@b c@d").unwrap();
        assert_eq!(map.apply(b"x@b", &mut Vec::new()), None);
        assert_eq!(map.apply(b"postmaster", &mut Vec::new()), None);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_address() {
        let map = read("\u{feff}ann@a.test x@s.test\r\n").unwrap();
        let mut out = Vec::new();
        assert_eq!(map.apply(b"ann@a.test", &mut out), Some(()));
        assert_eq!(out, b"x@s.test");
    }

    /// Without this error, all mail would go to its original recipients.
    #[test]
    fn a_list_without_rows_is_refused() {
        for text in ["", "\n\n", "# empty\n", "\u{feff}"] {
            assert_eq!(read(text).unwrap_err(), "list: expected at least one row", "{text:?}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let text = "# x\r\na@b c@d\n".to_owned() + &"# more\n".repeat(9999);
        std::fs::write(&path, &text).unwrap();
        let expected = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
        assert_eq!(RecipientMap::open(&path).unwrap().digest(), expected);
    }

    #[test]
    fn bad_rows_are_reported_with_line_and_reason() {
        for (text, expected) in [
            ("\na@b", "list:2: expected two values, OLD and NEW, found only 'a@b'"),
            ("a@b c@d e@f", "list:1: expected two values, OLD and NEW, found a third: 'e@f'"),
            ("a@b c", "list:1: expected an address or @domain, found 'c'"),
            ("a b@c", "list:1: expected an address, @domain or *, found 'a'"),
            ("a@b @", "list:1: expected an address or @domain, found '@'"),
            ("@ a@b", "list:1: expected an address, @domain or *, found '@'"),
            ("a@b c@d\na@B e@f", "list:2: duplicate row for 'a@B'"),
            ("* a@b\n* c@d", "list:2: duplicate row for '*'"),
            ("a@b *", "list:1: expected an address or @domain, found '*'"),
            ("a@b c@d>\r\nRCPT", "list:1: expected an address or @domain, found 'c@d>'"),
            ("a@b \"c", "list:1: expected an address or @domain, found '\\\"c'"),
            ("a@b \u{1}@c", "list:1: expected an address or @domain, found '\\x01@c'"),
        ] {
            let error = read(text).unwrap_err();
            let row = error.lines().nth(1).unwrap_or(&error);
            assert!(row.starts_with(expected), "{text:?}: {error}");
        }
        let error = read(&"bad\n".repeat(13)).unwrap_err();
        assert_eq!(error.lines().count(), 12, "{error}");
        assert!(error.starts_with("list: 13 bad rows; correct them"), "{error}");
        assert!(error.contains("list:10:") && error.ends_with("\nand 3 more"), "{error}");
    }

    #[test]
    fn rows_end_at_row_bytes_max() {
        for (bytes, is_ok) in
            [(ROW_BYTES_MAX - 1, true), (ROW_BYTES_MAX, true), (ROW_BYTES_MAX + 1, false)]
        {
            let row = format!("a@b c@d #{}\ne@f g@h", "x".repeat(bytes - 9));
            assert_eq!(read(&row).is_ok(), is_ok, "{bytes}");
        }
    }
}
