//! `sinkctl show`: shows a message: all of it as text, or a single part for a test.
mod file_name;
mod save;
mod whole;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use sinkd::analysis::message::{Message, PartRow, message_octets, stored_bytes};
use sinkd::analysis::rows::FinalReply;
use sinkd::log::reader::Folder;
use sinkd::log::{Slot, StoredPart};
use sinkd::mime::part::{Part, parts};
use sinkd::mime::{header, link, text};
use sinkd::wording::printable;

use crate::base::data::{NamedMessage, resolve};
use crate::base::outcome::{Finding, Out};
use crate::base::value::{MessageRef, number};

#[derive(Debug, Args)]
pub struct Show {
    /// Message ID (segment:slot), or 'latest'.
    pub id: MessageRef,
    /// Print one JSON object.
    #[arg(long, group = "what")]
    pub json: bool,
    /// Print the decoded text: the plain alternative if there is one, otherwise HTML without
    /// markup.
    #[arg(long, group = "what")]
    pub text: bool,
    /// Print the HTML as a UTF-8 page with its images embedded.
    #[arg(long, group = "what")]
    pub html: bool,
    /// Print all header fields, decoded, one per line.
    #[arg(long, group = "what")]
    pub headers: bool,
    /// Print the values of this header field, decoded, one per line.
    #[arg(long, value_name = "NAME", group = "what")]
    pub header: Option<String>,
    /// Print the links in text and HTML, each once, one per line.
    #[arg(long, group = "what")]
    pub links: bool,
    /// Print the attachments, one per line: part number, size in bytes, type and file name,
    /// separated by tabs.
    #[arg(long, group = "what")]
    pub attachments: bool,
    /// Print the decoded content of part N; parts are numbered from 1.
    #[arg(long, value_name = "N", value_parser = number::<usize>(1..=u64::MAX), group = "what")]
    pub part: Option<usize>,
    /// Save the parts as files in this folder, under safe names; existing files are never
    /// overwritten.
    #[arg(long, value_name = "DIR", group = "what")]
    pub save: Option<PathBuf>,
}

pub fn run(folder: &mut Folder, show: &Show, out: &mut Out) -> anyhow::Result<Finding> {
    let NamedMessage { segment, slot, finding } = resolve(folder, show.id)?;
    let mut record = Vec::new();
    let (envelope, payload) = segment.record(&slot, &mut record)?;
    let message = message_octets(&slot, payload);
    let selected = match show.shown() {
        Shown::Only(selected) => selected,
        Shown::Whole(form) => {
            let reply = FinalReply::of(&slot, &folder.notes()?.of);
            let whole = Message::new(&slot, envelope, &message, reply)?;
            match form {
                WholeForm::Json => writeln!(out, "{}", serde_json::to_string(&whole)?)?,
                WholeForm::Text => whole::print(&whole, &message, out)?,
            }
            return Ok(finding);
        }
    };
    if let Some(stored) = stored_bytes(&slot)
        && !is_in_what_is_stored(selected, &slot)
    {
        let (id, whole) = (slot.id(), slot.facts().message_bytes);
        eprintln!(
            "sinkctl: {id}: only {stored} of {whole} bytes were stored (print them: cat --stored)"
        );
        return Ok(Finding::Incomplete);
    }
    Ok(one_part(selected, &slot, &message, out)?.and(finding))
}

/// What is printed of a message.
#[derive(Debug, Clone, Copy)]
enum Shown<'a> {
    /// All of it, as text or as JSON.
    Whole(WholeForm),
    Only(Selected<'a>),
}

/// What is printed alone; exit 1 if the message has none of it.
#[derive(Debug, Clone, Copy)]
enum Selected<'a> {
    Text,
    Html,
    Headers,
    Header(&'a str),
    Links,
    Attachments,
    /// A part, by its number, from 1.
    Part(usize),
    /// The parts, as files in this folder.
    Saved(&'a Path),
}

#[derive(Debug, Clone, Copy)]
enum WholeForm {
    Text,
    Json,
}

impl Show {
    /// Returns what the flags select. At most one of them is set.
    fn shown(&self) -> Shown<'_> {
        let switches = [
            (self.json, Shown::Whole(WholeForm::Json)),
            (self.text, Shown::Only(Selected::Text)),
            (self.html, Shown::Only(Selected::Html)),
            (self.headers, Shown::Only(Selected::Headers)),
            (self.links, Shown::Only(Selected::Links)),
            (self.attachments, Shown::Only(Selected::Attachments)),
        ];
        let switched = switches.into_iter().find(|(is_set, _)| *is_set).map(|(_, shown)| shown);
        let header = self.header.as_deref().map(Selected::Header);
        let part = header.or_else(|| self.part.map(Selected::Part));
        let named = part.or_else(|| self.save.as_deref().map(Selected::Saved));
        switched.or(named.map(Shown::Only)).unwrap_or(Shown::Whole(WholeForm::Text))
    }
}

/// Returns whether the stored part is sufficient: the header may be stored without the rest.
fn is_in_what_is_stored(selected: Selected<'_>, slot: &Slot) -> bool {
    let is_in_header = matches!(selected, Selected::Headers | Selected::Header(_));
    slot.facts().mode == StoredPart::Headers && is_in_header
}

/// Prints one part of a message.
fn one_part(
    selected: Selected<'_>,
    slot: &Slot,
    message: &[u8],
    out: &mut Out,
) -> anyhow::Result<Finding> {
    let lines: Vec<String> = match selected {
        Selected::Saved(folder) => return save::run(folder, message, out),
        Selected::Part(number) => return part(number, slot, message, out),
        Selected::Text => return content(text::plain(message), out),
        Selected::Html => return content(text::html(message), out),
        Selected::Header(name) => {
            header::fields(message).filter(|f| f.is_named(name)).map(|f| f.decoded()).collect()
        }
        Selected::Headers => {
            header::fields(message).map(|f| format!("{}: {}", f.name(), f.decoded())).collect()
        }
        Selected::Links => link::links(message),
        Selected::Attachments => attachments(message),
    };
    for line in &lines {
        writeln!(out, "{}", one_line(line))?;
    }
    Ok(if lines.is_empty() { Finding::NothingFound } else { Finding::Done })
}

/// Prints a text, with a line end after it. On a terminal, control characters are replaced.
fn content(text: Option<String>, out: &mut Out) -> anyhow::Result<Finding> {
    let Some(text) = text else { return Ok(Finding::NothingFound) };
    print_text(&text, out)?;
    if !text.ends_with('\n') {
        writeln!(out)?;
    }
    Ok(Finding::Done)
}

fn print_text(text: &str, out: &mut Out) -> std::io::Result<()> {
    if is_terminal() {
        // CR before LF is harmless.
        return out.write_all(printable(&text.replace("\r\n", "\n")).as_bytes());
    }
    out.write_all(text.as_bytes())
}

fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Formats text from a message as one line, with control characters replaced.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// Prints the content of a part, numbered from 1.
fn part(number: usize, slot: &Slot, message: &[u8], out: &mut Out) -> anyhow::Result<Finding> {
    let taken = parts(message);
    let Some(part) = number.checked_sub(1).and_then(|at| taken.parts.get(at)) else {
        let there = taken.parts.len();
        eprintln!("sinkctl: {}: no part {number}; the last part is {there}", slot.id());
        return Ok(Finding::NothingFound);
    };
    let content = part.content();
    if is_terminal() {
        print_text(&String::from_utf8_lossy(&content), out)?;
    } else {
        out.write_all(&content)?;
    }
    Ok(Finding::Done)
}

fn attachments(message: &[u8]) -> Vec<String> {
    let taken = parts(message);
    let numbered = taken.parts.iter().enumerate().filter(|(_, part)| part.is_attachment());
    let line = |(at, part): (usize, &Part<'_>)| {
        let row = PartRow::new(at + 1, part);
        // A tab in a name would add a column.
        let columns = [
            row.number.to_string(),
            row.decoded_bytes.to_string(),
            row.content_type,
            row.file_name.unwrap_or_default(),
        ];
        columns.map(|column| column.replace('\t', " ")).join("\t")
    };
    numbered.map(line).collect()
}
