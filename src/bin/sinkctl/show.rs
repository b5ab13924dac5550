//! `sinkctl show`: envelope, headers and parts of a message, for a person.
use std::io::Write;

use serde::Serialize;
use sinkd::log::Slot;
use sinkd::log::reader::Folder;
use sinkd::mime::{self, Outline};
use sinkd::smtp::data::unstuff;
use sinkd::smtp::envelope;

use crate::args::Id;
use crate::print::{Entry, harmless, readable, stored_of};
use crate::{Finding, Out, resolve};

/// Lines of text shown; `cat` has the rest.
const TEXT_LINES_MAX: usize = 40;

/// A message in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    entry: Entry,
    /// Octets of the message that are stored, if not all are.
    stored_bytes: Option<u32>,
    helo: String,
    protocol: String,
    listener: String,
    mail_parameters: String,
    recipients: Vec<ShownRecipient>,
    headers: Vec<(String, String)>,
    parts: Vec<ShownPart>,
    parts_total: usize,
}

#[derive(Debug, Serialize)]
struct ShownRecipient {
    path: String,
    parameters: String,
}

#[derive(Debug, Serialize)]
struct ShownPart {
    depth: usize,
    content_type: String,
    decoded_bytes: usize,
    file_name: Option<String>,
}

pub fn run(folder: &Folder, id: Id, json: bool, out: &mut Out) -> anyhow::Result<Finding> {
    let (segment, slot) = resolve(folder, id)?;
    let mut record = Vec::new();
    let (envelope, payload) = segment.record(&slot, &mut record)?;
    let message = if slot.facts.dots == 0 { payload.into() } else { unstuff(payload) };
    let outline = mime::outline(&message);
    let noted = folder.notes()?.contains(&slot.id);
    let shown = shown(&slot, envelope, &outline, noted)?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&shown)?)?;
    } else {
        print(&shown, &outline, out)?;
    }
    Ok(Finding::Holds)
}

fn shown(slot: &Slot, envelope: &[u8], outline: &Outline, noted: bool) -> anyhow::Result<Shown> {
    let decoded = envelope::decode(envelope)?;
    let recipient = |r: envelope::Recipient<'_>| ShownRecipient {
        path: readable(r.path),
        parameters: readable(r.params),
    };
    let part = |p: &mime::Part| ShownPart {
        depth: p.depth,
        content_type: p.content_type.clone(),
        decoded_bytes: p.decoded_bytes,
        file_name: p.file_name.clone(),
    };
    Ok(Shown {
        entry: Entry::new(slot, envelope, noted),
        stored_bytes: stored_of(slot),
        helo: readable(decoded.helo),
        protocol: readable(decoded.protocol),
        listener: readable(decoded.listener),
        mail_parameters: readable(decoded.mail_params),
        recipients: decoded.recipients().map(recipient).collect(),
        headers: outline.headers.clone(),
        parts: outline.parts.iter().map(part).collect(),
        parts_total: outline.parts_total,
    })
}

fn print(shown: &Shown, outline: &Outline, out: &mut Out) -> anyhow::Result<()> {
    let entry = &shown.entry;
    let mut line = |name: &str, value: &str| {
        let value = harmless(value).replace(['\n', '\t'], " ");
        writeln!(out, "{name:<14}{}", value.trim_end())
    };
    line("message", &entry.id)?;
    line("received", &entry.received_at)?;
    line("from client", &format!("{} ({} {})", entry.client, shown.protocol, shown.helo))?;
    line("listener", &shown.listener)?;
    line("reply", &entry.reply)?;
    line("size", &format!("{} octets", entry.size))?;
    if let Some(stored) = shown.stored_bytes {
        line("stored", &format!("{}: only {stored} of them", entry.store))?;
    }
    if !entry.flags.is_empty() {
        line("flags", &entry.flags.join(", "))?;
    }
    line("reverse-path", &format!("<{}> {}", entry.mail_from, shown.mail_parameters))?;
    for recipient in &shown.recipients {
        line("forward-path", &format!("<{}> {}", recipient.path, recipient.parameters))?;
    }
    writeln!(out)?;
    for (name, value) in &shown.headers {
        let value = harmless(value).replace(['\n', '\t'], " ");
        writeln!(out, "{}: {value}", harmless(name))?;
    }
    writeln!(out)?;
    for part in &shown.parts {
        let indent = "  ".repeat(part.depth);
        let name = part.file_name.as_deref().map_or(String::new(), |n| format!("  {n}"));
        let text = format!("{indent}{}  {} octets{name}", part.content_type, part.decoded_bytes);
        writeln!(out, "{}", harmless(&text).replace('\n', " "))?;
    }
    if shown.parts_total > shown.parts.len() {
        writeln!(out, "and {} further parts", shown.parts_total - shown.parts.len())?;
    }
    print_text(outline, out)
}

fn print_text(outline: &Outline, out: &mut Out) -> anyhow::Result<()> {
    let Some(text) = &outline.text else { return Ok(()) };
    writeln!(out)?;
    let mut lines = text.lines();
    for line in lines.by_ref().take(TEXT_LINES_MAX) {
        writeln!(out, "{}", harmless(line))?;
    }
    if lines.next().is_some() {
        writeln!(out, "… (the whole message: sinkctl cat)")?;
    }
    Ok(())
}
