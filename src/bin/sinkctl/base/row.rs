//! How rows of messages look: one line for a person, one JSON object for a program.
use std::io::Write;

use sinkd::analysis::rows::{ContentSource, EnvelopeRow, MessageRow, RowReader};
use sinkd::log::MessageId;
use sinkd::log::reader::{Folder, ReadError};

use crate::base::data::name;
use crate::base::left_out::Omissions;
use crate::base::outcome::Out;
use crate::base::print::harmless;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Line,
    Json,
}

/// Prints rows.
pub struct RowPrinter<'a> {
    pub format: RowFormat,
    pub out: &'a mut Out,
}

impl RowPrinter<'_> {
    /// Prints a message, or reports why it can't be read. Returns the number of messages that this
    /// accounts for: 0 if it was pruned meanwhile.
    pub fn print(
        &mut self,
        row: Result<Option<MessageRow>, ReadError>,
        left_out: &mut Omissions,
    ) -> anyhow::Result<u64> {
        match (row, self.format) {
            (Ok(Some(row)), RowFormat::Json) => {
                writeln!(self.out, "{}", serde_json::to_string(&row)?)?;
            }
            (Ok(Some(row)), RowFormat::Line) => writeln!(self.out, "{}", line(&row))?,
            (Ok(None), _) => return Ok(0),
            (Err(error), _) => left_out.report_error(&error),
        }
        Ok(1)
    }

    /// Prints messages of several folders by their ids, as they are now. Returns how many there
    /// were; `pruned` gets those that were pruned meanwhile.
    pub fn print_ids(
        &mut self,
        folders: &[Folder],
        ids: impl Iterator<Item = (usize, MessageId)>,
        left_out: &mut [Omissions],
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

/// One line for a person, without its end.
fn line(row: &MessageRow) -> String {
    let mut line = row.folder.as_ref().map_or(String::new(), |folder| format!("{folder}  "));
    line += &envelope_line(&row.envelope);
    if let Some(subject) = row.contents.subject.as_deref().filter(|subject| !subject.is_empty()) {
        line += "  ";
        line += &harmless(subject).replace(['\n', '\t'], " ");
    }
    line
}

fn envelope_line(row: &EnvelopeRow) -> String {
    let to = match row.rcpt_to.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} (+{})", rest.len()),
    };
    let from = if row.mail_from.is_empty() { "<>" } else { &row.mail_from };
    let flags = match row.flags.is_empty() {
        true => String::new(),
        false => format!("  [{}]", row.flags.join(", ")),
    };
    // Milliseconds are enough for an eye.
    let at = format!("{}Z", &row.received_at[..23.min(row.received_at.len() - 1)]);
    format!("{:<10} {at} {:>9}  {from} -> {to}{flags}", row.id, row.size)
}
