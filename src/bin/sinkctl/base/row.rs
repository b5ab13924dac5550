//! Prints rows of messages: as text, JSON objects, or CSV.
use std::io::Write;

use clap::Args;
use sinkd::analysis::rows::{ContentSource, EnvelopeRow, MessageRow, RowColumns, RowReader};
use sinkd::log::MessageId;
use sinkd::log::reader::{Folder, ReadError};
use sinkd::wording::printable_line;

use crate::base::data::name;
use crate::base::left_out::FolderOmissions;
use crate::base::outcome::Out;

/// Initial capacity for a line of CSV.
const CSV_BUFFER_BYTES: usize = 1 << 10;

/// How rows are printed for programs.
#[derive(Debug, Args)]
pub struct RowOptions {
    /// Print one JSON object per line.
    #[arg(long, groups = ["form", "rows"])]
    pub json: bool,
    /// Print CSV: a header line, and one line per message.
    #[arg(long, groups = ["form", "rows"])]
    pub csv: bool,
    /// Columns of the CSV, in this order, with the same names as the keys of --json [default: id,
    /// received_at, mail_from, rcpt_to, size, flags, session, client, subject, message_id,
    /// content_hash, sequence; with several --data also folder].
    #[arg(long, value_name = "NAME,...", requires = "csv")]
    pub columns: Option<RowColumns>,
    /// With --json or --csv, print one row per recipient; rcpt_to then holds a single path.
    #[arg(long, requires = "rows")]
    pub per_recipient: bool,
}

impl RowOptions {
    /// Returns the format for rows of this number of folders.
    pub fn format(&self, folders: usize) -> RowFormat {
        if self.json {
            return RowFormat::Json(self.per());
        }
        if !self.csv {
            return RowFormat::Line;
        }
        let columns = self.columns.clone().unwrap_or_else(|| RowColumns::usual(folders));
        match self.per() {
            RowPer::Message => RowFormat::Csv(RowPer::Message, columns),
            RowPer::Recipient => RowFormat::Csv(RowPer::Recipient, columns.per_recipient()),
        }
    }

    /// Returns whether the rows are meant for a program.
    pub fn is_for_program(&self) -> bool {
        self.json || self.csv
    }

    fn per(&self) -> RowPer {
        if self.per_recipient { RowPer::Recipient } else { RowPer::Message }
    }
}

/// The format of rows.
#[derive(Debug, Clone)]
pub enum RowFormat {
    Line,
    Json(RowPer),
    Csv(RowPer, RowColumns),
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowPer {
    Message,
    /// A forward-path, even a repeated one; a message without forward-paths has one row.
    Recipient,
}

pub struct RowPrinter<'a> {
    format: &'a RowFormat,
    out: &'a mut Out,
    /// A buffer for a line of CSV.
    line: Vec<u8>,
}

impl<'a> RowPrinter<'a> {
    pub fn new(format: &'a RowFormat, out: &'a mut Out) -> RowPrinter<'a> {
        RowPrinter { format, out, line: Vec::new() }
    }

    /// Prints the header line of CSV, if there is one.
    pub fn print_header(&mut self) -> anyhow::Result<()> {
        match self.format {
            RowFormat::Csv(_, columns) => self.csv_line(columns.names()),
            RowFormat::Line | RowFormat::Json(_) => Ok(()),
        }
    }

    /// Prints a message, or reports why it can't be read. Returns the number of messages accounted
    /// for: 0 if the message was pruned meanwhile.
    pub fn print(
        &mut self,
        row: Result<Option<MessageRow>, ReadError>,
        left_out: &mut FolderOmissions,
    ) -> anyhow::Result<u64> {
        let mut row = match row {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(0),
            Err(error) => {
                left_out.report_error(&error);
                return Ok(1);
            }
        };
        let (RowFormat::Csv(per, _) | RowFormat::Json(per)) = self.format else {
            writeln!(self.out, "{}", line(&row))?;
            return Ok(1);
        };
        if *per == RowPer::Message || row.envelope.rcpt_to.len() < 2 {
            self.print_row(&row)?;
            return Ok(1);
        }
        for path in std::mem::take(&mut row.envelope.rcpt_to) {
            row.envelope.rcpt_to = vec![path];
            self.print_row(&row)?;
        }
        Ok(1)
    }

    fn print_row(&mut self, row: &MessageRow) -> anyhow::Result<()> {
        match self.format {
            RowFormat::Line => writeln!(self.out, "{}", line(row))?,
            RowFormat::Json(_) => writeln!(self.out, "{}", serde_json::to_string(row)?)?,
            RowFormat::Csv(_, columns) => self.csv_line(columns.cells(row))?,
        }
        Ok(())
    }

    /// Prints a line of CSV. Control characters are not replaced, because CSV is for programs; line
    /// ends are within quotes.
    fn csv_line(&mut self, cells: impl Iterator<Item = impl AsRef<str>>) -> anyhow::Result<()> {
        self.line.clear();
        let mut builder = csv::WriterBuilder::new();
        let mut csv =
            builder.buffer_capacity(CSV_BUFFER_BYTES).from_writer(std::mem::take(&mut self.line));
        for cell in cells {
            csv.write_field(cell.as_ref())?;
        }
        csv.write_record(None::<&[u8]>)?;
        self.line = csv.into_inner().map_err(|error| error.into_error())?;
        Ok(self.out.write_all(&self.line)?)
    }

    /// Prints messages of several folders by id, in their current state. Returns the number of
    /// messages that were printed or reported as unreadable; calls `pruned` for each that was
    /// pruned meanwhile.
    pub fn print_ids(
        &mut self,
        folders: &[Folder],
        ids: impl Iterator<Item = (usize, MessageId)>,
        left_out: &mut [FolderOmissions],
        pruned: &mut dyn FnMut(MessageId),
    ) -> anyhow::Result<u64> {
        let sources = folders.iter().map(ContentSource::message);
        let mut sources = sources.collect::<Result<Vec<_>, _>>()?;
        let mut readers = Vec::new();
        for (n, source) in sources.iter_mut().enumerate() {
            let mut reader = RowReader::new(&folders[n], source, name(folders, n))?;
            reader.take_damage().iter().for_each(|damage| left_out[n].report_error(damage));
            readers.push(reader);
        }
        let mut printed = 0;
        for (n, id) in ids {
            match self.print(readers[n].read_id(id), &mut left_out[n])? {
                0 => pruned(id),
                one => printed += one,
            }
        }
        Ok(printed)
    }
}

/// Formats a row as text, without a line end.
fn line(row: &MessageRow) -> String {
    let mut line = row.folder.as_ref().map_or(String::new(), |folder| format!("{folder}  "));
    line += &envelope_line(&row.envelope);
    if let Some(subject) = row.contents.subject.as_deref().filter(|subject| !subject.is_empty()) {
        line += "  ";
        line += subject;
    }
    // Internationalized addresses and decoded subjects can contain control characters.
    printable_line(&line)
}

fn envelope_line(row: &EnvelopeRow) -> String {
    let to = match row.rcpt_to.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} (+{})", rest.len()),
    };
    let from = if row.mail_from.is_empty() { "<>" } else { &row.mail_from };
    let flags =
        if row.flags.is_empty() { String::new() } else { format!("  [{}]", row.flags.join(", ")) };
    // Milliseconds are precise enough for text.
    let at = format!("{}Z", &row.received_at[..23.min(row.received_at.len() - 1)]);
    format!("{:<10} {at} {:>9}  {from} -> {to}{flags}", row.id, row.size)
}
