//! The columns of CSV output, named after the keys of `--json`.
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::envelope_row::TlsRow;
use super::row::MessageRow;
use crate::wording::Unexpected;
use crate::wording::unknown;

/// The separator between the values of a list in a cell.
const SEPARATOR: char = ';';

/// A column: a key of the table *message* in docs/json.md. Keys of the object `tls` are written as
/// `tls.version`.
#[derive(Clone, Copy)]
pub struct Column {
    name: &'static str,
    cell: Cell,
    usage: Usage,
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Cell {
    /// What the function returns.
    Value(fn(&MessageRow) -> Cow<'_, str>),
    /// The forward-paths, as a list.
    Recipients,
    /// The forward-path of a row with one recipient, exactly as it was sent.
    Recipient,
}

/// Whether a column is one of the default columns: those that people and joins need most often.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    Always,
    /// If several folders are read.
    WithSeveralFolders,
    Never,
}

impl Column {
    const fn usual(name: &'static str, cell: fn(&MessageRow) -> Cow<'_, str>) -> Column {
        Column { name, cell: Cell::Value(cell), usage: Usage::Always }
    }

    const fn other(name: &'static str, cell: fn(&MessageRow) -> Cow<'_, str>) -> Column {
        Column { name, cell: Cell::Value(cell), usage: Usage::Never }
    }

    fn cell(self, row: &MessageRow) -> Cow<'_, str> {
        match self.cell {
            Cell::Value(cell) => cell(row),
            Cell::Recipients => list(&row.envelope.rcpt_to),
            Cell::Recipient => row.envelope.rcpt_to.first().map_or("".into(), |path| path.into()),
        }
    }
}

/// All columns, in the order of docs/json.md.
const COLUMNS: &[Column] = &[
    Column {
        name: "folder",
        cell: Cell::Value(|row| text(&row.folder)),
        usage: Usage::WithSeveralFolders,
    },
    Column::usual("id", |row| (&row.envelope.id).into()),
    Column::usual("received_at", |row| (&row.envelope.received_at).into()),
    Column::usual("mail_from", |row| (&row.envelope.mail_from).into()),
    Column { name: "rcpt_to", cell: Cell::Recipients, usage: Usage::Always },
    Column::usual("size", |row| number(row.envelope.size)),
    Column::other("store", |row| row.envelope.store.into()),
    Column::usual("flags", |row| list(&row.envelope.flags)),
    Column::other("deviations", |row| list(&row.envelope.deviations)),
    Column::other("reply", |row| (&row.envelope.reply).into()),
    Column::other("transaction_us", |row| number(row.envelope.transaction_us)),
    Column::usual("session", |row| (&row.envelope.session).into()),
    Column::usual("client", |row| text(&row.envelope.client)),
    Column::other("peer", |row| text(&row.envelope.peer)),
    Column::other("listener", |row| (&row.envelope.listener).into()),
    Column::other("sink", |row| text(&row.envelope.sink)),
    Column::other("user", |row| text(&row.envelope.user)),
    Column::other("auth", |row| text(&row.envelope.auth)),
    Column::other("tls.version", |row| tls(row, |tls| (&tls.version).into())),
    Column::other("tls.cipher", |row| tls(row, |tls| (&tls.cipher).into())),
    Column::other("tls.server_name", |row| tls(row, |tls| text(&tls.server_name))),
    Column::other("tls.client_subject", |row| tls(row, |tls| text(&tls.client_subject))),
    Column::other("tls.resumed", |row| tls(row, |tls| tls.resumed.to_string().into())),
    Column::other("tls.handshake_us", |row| tls(row, |tls| number(tls.handshake_us))),
    Column::usual("subject", |row| text(&row.contents.subject)),
    Column::usual("message_id", |row| text(&row.contents.message_id)),
    Column::other("file_names", |row| row.contents.file_names.as_deref().map_or("".into(), list)),
    Column::usual("content_hash", |row| text(&row.contents.content_hash)),
    Column::usual("sequence", |row| row.contents.sequence.map_or("".into(), number)),
];

/// The columns of a table in order, each at most once.
#[derive(Debug, Clone)]
pub struct RowColumns(Vec<Column>);

impl RowColumns {
    /// Returns the default columns; with several folders, that includes `folder`.
    pub fn usual(folders: usize) -> RowColumns {
        let is_usual = |column: &&Column| match column.usage {
            Usage::Always => true,
            Usage::WithSeveralFolders => folders > 1,
            Usage::Never => false,
        };
        RowColumns(COLUMNS.iter().filter(is_usual).copied().collect())
    }

    /// Returns the same columns for rows of one recipient each. `rcpt_to` then holds the path
    /// exactly as it was sent, because it is compared with lists.
    pub fn per_recipient(mut self) -> RowColumns {
        for column in self.0.iter_mut().filter(|column| matches!(column.cell, Cell::Recipients)) {
            column.cell = Cell::Recipient;
        }
        self
    }

    /// Returns the names in the order of the columns, for the header line.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|column| column.name)
    }

    /// Returns the unquoted cells of a row. Null is an empty cell. The values of a list are
    /// separated by `;`; a backslash precedes each `;` or backslash within a value.
    ///
    /// Cells contain exactly what the mail says, even if a spreadsheet would take that for a
    /// formula (`=`, `+`, `-`, `@`). A quote before it would turn `=tag@example.org` into another
    /// address, which a join with a sender's list would report as missing. The program that opens
    /// the file decides: DuckDB runs no formulas, and spreadsheets can import columns as text.
    pub fn cells<'a>(&'a self, row: &'a MessageRow) -> impl Iterator<Item = Cow<'a, str>> {
        self.0.iter().map(|column| column.cell(row))
    }
}

impl FromStr for RowColumns {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<RowColumns, Unexpected> {
        let mut columns = Vec::<Column>::new();
        for name in text.split(',') {
            let column = COLUMNS.iter().find(|column| column.name == name);
            let names = || COLUMNS.iter().map(|column| column.name);
            let column = column.ok_or_else(|| unknown("column", name, names()))?;
            if columns.iter().any(|earlier| earlier.name == name) {
                return Err(Unexpected::new("each column once", text));
            }
            columns.push(*column);
        }
        Ok(RowColumns(columns))
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn text(value: &Option<String>) -> Cow<'_, str> {
    value.as_deref().unwrap_or_default().into()
}

fn number<'a>(value: impl Into<u64>) -> Cow<'a, str> {
    value.into().to_string().into()
}

fn tls<'a>(row: &'a MessageRow, cell: fn(&'a TlsRow) -> Cow<'a, str>) -> Cow<'a, str> {
    row.envelope.tls.as_ref().map_or("".into(), cell)
}

/// Returns the values of a list as one cell, with separators inside values escaped.
fn list<S: AsRef<str>>(values: &[S]) -> Cow<'_, str> {
    let is_plain = |value: &S| !value.as_ref().contains([SEPARATOR, '\\']);
    match values {
        [] => "".into(),
        [one] if is_plain(one) => one.as_ref().into(),
        _ => {
            let mut cell = String::new();
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    cell.push(SEPARATOR);
                }
                for letter in value.as_ref().chars() {
                    if matches!(letter, SEPARATOR | '\\') {
                        cell.push('\\');
                    }
                    cell.push(letter);
                }
            }
            cell.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::analysis::rows::{Contents, EnvelopeRow};

    fn row() -> MessageRow {
        let text = |text: &str| Some(text.to_owned());
        let envelope = EnvelopeRow {
            id: "1:2".to_owned(),
            received_at: "2026-11-30T00:00:00.000000001Z".to_owned(),
            mail_from: "a@example.org".to_owned(),
            rcpt_to: vec!["b@example.org".to_owned(), "c@example.org".to_owned()],
            size: 3,
            store: "full",
            flags: vec!["chunked"],
            deviations: vec!["lone-lf"],
            reply: "250 2.0.0".to_owned(),
            transaction_us: 4,
            session: "5".to_owned(),
            client: Some("127.0.0.1:6".to_owned()),
            peer: text("127.0.0.1:7"),
            listener: "mx".to_owned(),
            sink: text("sink-a"),
            user: text("ann"),
            auth: text("PLAIN"),
            tls: Some(TlsRow {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
                server_name: text("mx.example.org"),
                client_subject: text("CN=ann"),
                resumed: true,
                handshake_us: 8,
            }),
        };
        let contents = Contents {
            subject: text("news"),
            message_id: text("9@example.org"),
            file_names: Some(vec!["a.pdf".to_owned(), "b.pdf".to_owned()]),
            content_hash: text("0a"),
            sequence: Some(10),
        };
        MessageRow { folder: text("one"), envelope, contents }
    }

    /// Flattens keys and values into cells.
    fn flat(at: &str, value: &Value, found: &mut Vec<(String, String)>) {
        let cell = match value {
            Value::Object(object) => {
                let below =
                    |key: &String| if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                return object.iter().for_each(|(key, value)| flat(&below(key), value, found));
            }
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";")
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        found.push((at.to_owned(), cell));
    }

    #[test]
    fn every_key_of_a_row_is_a_column_with_its_value() {
        let (row, mut expected) = (row(), Vec::new());
        flat("", &serde_json::to_value(&row).unwrap(), &mut expected);
        let cells = RowColumns(COLUMNS.to_vec());
        let names = cells.names().map(str::to_owned);
        let mut found: Vec<_> = names.zip(cells.cells(&row).map(Cow::into_owned)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn columns_are_chosen_and_ordered_by_name_and_each_is_there_once() {
        let names =
            |text: &str| text.parse::<RowColumns>().map(|it| it.names().collect::<Vec<_>>());
        assert_eq!(names("size,id,tls.version"), Ok(vec!["size", "id", "tls.version"]));
        let error = |text: &str| names(text).unwrap_err().to_string();
        assert!(error("id,recieved_at").ends_with(
            "content_hash, sequence), found 'recieved_at'; did you mean 'received_at'?"
        ));
        assert_eq!(error("id,size,id"), "expected each column once, found 'id,size,id'");
        assert!(error("").starts_with("expected a column (folder, id, "));
        assert!(error("id, size").contains("found ' size'"));
        let usual = |folders| RowColumns::usual(folders).names().collect::<Vec<_>>().join(",");
        let columns = "id,received_at,mail_from,rcpt_to,size,flags,session,client,subject,\
                       message_id,content_hash,sequence";
        assert_eq!(usual(1), columns);
        assert_eq!(usual(2), format!("folder,{columns}"));
    }

    #[test]
    fn values_of_a_list_can_be_told_apart_whatever_is_in_them() {
        for (values, cell) in [
            (&[][..], ""),
            (&["a@b"], "a@b"),
            (&["a@b", "c@d"], "a@b;c@d"),
            (&["a;b"], r"a\;b"),
            (&["a", "b"], "a;b"),
            (&[r"a\", "b"], r"a\\;b"),
            (&[r"a\;b"], r"a\\\;b"),
        ] {
            assert_eq!(list(values), cell);
        }
    }
}
