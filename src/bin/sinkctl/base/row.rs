//! A message as `ls`, `tail`, `search` and `wait` print it: one line for a person, one JSON object
//! with the same keys (docs/search.md) for a program.
use std::collections::HashSet;
use std::io::Write;

use serde::Serialize;
use sinkd::index::reading::MessageReader;
use sinkd::index::{self, Lookup, Said};
use sinkd::log::reader::{Folder, ReadError, Segment};
use sinkd::log::{MessageId, Slot};

use crate::base::left_out::LeftOut;
use crate::base::outcome::Out;
use crate::base::print::{Entry, Reply, harmless};

/// A message in `--json`. Keys keep their meaning.
#[derive(Serialize)]
struct Row<'a> {
    /// Where it is, as --data has it; without the key where that is one folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
    #[serde(flatten)]
    entry: Entry,
    #[serde(flatten)]
    contents: Contents<'a>,
}

/// What is written in it; null where that is not known: `ls` asks the index alone.
#[derive(Default, Serialize)]
struct Contents<'a> {
    /// The first Subject field, decoded.
    subject: Option<&'a str>,
    message_id: Option<&'a str>,
    /// Names of attached files.
    file_names: Option<&'a [String]>,
    /// Equal for copies of the same content: 32 hexadecimal digits.
    content_hash: Option<String>,
    /// The number in the header field that the index knows of; null without any.
    sequence: Option<u64>,
}

impl<'a> Contents<'a> {
    fn of(said: Option<&'a Said>) -> Contents<'a> {
        let Some(said) = said else { return Contents::default() };
        Contents {
            subject: Some(&said.subject),
            message_id: Some(&said.message_id),
            file_names: Some(&said.file_names),
            content_hash: Some(format!("{:032x}", said.content_hash)),
            sequence: said.sequence,
        }
    }
}

/// Where it is known from what is written in a message.
pub enum Source {
    /// From the index, where that has it: costs no look into the message.
    Index(Lookup),
    /// From the message: a few microseconds for each.
    Message(Box<MessageReader>),
}

impl Source {
    pub fn index(folder: &Folder) -> Source {
        Source::Index(Lookup::new(folder.path()))
    }

    pub fn message(folder: &Folder) -> anyhow::Result<Source> {
        Ok(Source::Message(Box::new(MessageReader::new(&index::sequence_field(folder.path())?))))
    }
}

/// How rows are printed.
#[derive(Debug, Clone, Default)]
pub struct Form {
    pub json: bool,
    /// The folder's name, where there are several.
    pub folder: Option<String>,
}

/// Prints messages one after another, reusing its buffers.
pub struct Rows<'a> {
    folder: &'a Folder,
    source: &'a mut Source,
    noted: HashSet<MessageId>,
    form: Form,
    envelope: Vec<u8>,
    pub left_out: &'a mut LeftOut,
}

impl<'a> Rows<'a> {
    pub fn new(
        folder: &'a Folder,
        source: &'a mut Source,
        form: Form,
        left_out: &'a mut LeftOut,
    ) -> anyhow::Result<Rows<'a>> {
        let notes = folder.notes()?;
        notes.damage.iter().for_each(|damage| left_out.tell_error(damage));
        Ok(Rows { folder, source, noted: notes.of, form, envelope: Vec::new(), left_out })
    }

    /// Prints a message, or says why it can't be read. `false`: it was pruned meanwhile.
    ///
    /// Errors: the output can't be written.
    pub fn print(&mut self, slot: &Slot, out: &mut Out) -> anyhow::Result<bool> {
        let segment = match self.folder.segment(slot.id().segment) {
            Ok(segment) => segment,
            Err(error) => return Ok(self.tell(&error)),
        };
        match self.text(&segment, slot) {
            Ok(text) => writeln!(out, "{text}")?,
            Err(error) => return Ok(self.tell(&error)),
        }
        Ok(true)
    }

    /// The same by its id, as it is now.
    pub fn print_id(&mut self, id: MessageId, out: &mut Out) -> anyhow::Result<bool> {
        match self.folder.find(id) {
            Ok((_, slot)) => self.print(&slot, out),
            // It was there a moment ago: the folder has counted its segment.
            Err(ReadError::NoSuchMessage { .. }) => Ok(false),
            Err(error) => Ok(self.tell(&error)),
        }
    }

    fn tell(&mut self, error: &ReadError) -> bool {
        self.left_out.tell_error(error);
        !matches!(error, ReadError::Pruned { .. })
    }

    /// Without a line end.
    fn text(&mut self, segment: &Segment, slot: &Slot) -> Result<String, ReadError> {
        let envelope = segment.envelope(slot, &mut self.envelope)?;
        let entry = Entry::new(slot, envelope, Reply::of(slot, &self.noted));
        let read;
        let said = match self.source {
            Source::Index(lookup) => lookup.said(segment.identity(), slot.id().slot),
            Source::Message(reading) => {
                read = Said::from(&reading.read(segment, slot)?.entry);
                Some(&read)
            }
        };
        let contents = Contents::of(said);
        let folder = self.form.folder.as_deref();
        if self.form.json {
            return Ok(serde_json::to_string(&Row { folder, entry, contents }).expect("JSON"));
        }
        let line = line(&entry, contents.subject);
        Ok(folder.map_or(line.clone(), |folder| format!("{folder}  {line}")))
    }
}

fn line(entry: &Entry, subject: Option<&str>) -> String {
    match subject.filter(|subject| !subject.is_empty()) {
        Some(subject) => {
            let subject = harmless(subject).replace(['\n', '\t'], " ");
            format!("{}  {subject}", entry.to_line())
        }
        None => entry.to_line(),
    }
}
