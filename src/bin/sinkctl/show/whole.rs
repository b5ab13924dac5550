//! All of a message: envelope, header, parts and text.
use std::io::Write;

use serde::Serialize;
use sinkd::log::Slot;
use sinkd::mime::part::{Part, PartKind, parts};
use sinkd::mime::{header, text};
use sinkd::smtp::envelope;

use crate::base::outcome::Out;
use crate::base::print::{Entry, Reply, harmless, readable, stored_of};

/// Lines of text shown; `--text` has the rest.
const TEXT_LINES_MAX: usize = 40;
/// Parts shown; mail made to break parsers may have thousands.
const PARTS_MAX: usize = 200;

/// A message in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct Shown {
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
    /// At most 200.
    parts: Vec<ShownPart>,
    /// Parts there are; there may be more if it is 10000.
    parts_total: usize,
}

#[derive(Debug, Serialize)]
struct ShownRecipient {
    path: String,
    parameters: String,
}

#[derive(Debug, Serialize)]
struct ShownPart {
    /// The number for `--part`.
    number: usize,
    depth: usize,
    content_type: String,
    charset: Option<String>,
    disposition: Option<String>,
    decoded_bytes: usize,
    file_name: Option<String>,
}

impl ShownPart {
    fn new((at, part): (usize, &Part<'_>)) -> ShownPart {
        ShownPart {
            number: at + 1,
            depth: part.depth,
            content_type: part.content_type.clone(),
            charset: part.charset.clone(),
            disposition: part.disposition.clone(),
            decoded_bytes: decoded_bytes(part),
            file_name: part.file_name.clone(),
        }
    }
}

impl Shown {
    pub fn new(
        slot: &Slot,
        envelope: &[u8],
        message: &[u8],
        reply: Reply,
    ) -> anyhow::Result<Shown> {
        let decoded = envelope::decode(envelope)?;
        let taken = parts(message);
        let recipient = |r: envelope::Recipient<'_>| ShownRecipient {
            path: readable(r.path),
            parameters: readable(r.params),
        };
        let shown = taken.parts.iter().enumerate().take(PARTS_MAX);
        Ok(Shown {
            entry: Entry::new(slot, envelope, reply),
            stored_bytes: stored_of(slot),
            helo: readable(decoded.helo),
            protocol: readable(decoded.protocol),
            listener: readable(decoded.listener),
            mail_parameters: readable(decoded.mail_params),
            recipients: decoded.recipients().map(recipient).collect(),
            headers: header::fields(message)
                .map(|f| (f.name().into_owned(), f.decoded()))
                .collect(),
            parts: shown.map(ShownPart::new).collect(),
            parts_total: taken.parts.len(),
        })
    }

    pub fn print_json(&self, out: &mut Out) -> anyhow::Result<()> {
        Ok(writeln!(out, "{}", serde_json::to_string(self)?)?)
    }

    /// For a person.
    pub fn print(&self, message: &[u8], out: &mut Out) -> anyhow::Result<()> {
        self.print_envelope(out)?;
        self.print_parts(out)?;
        print_text(message, out)
    }

    fn print_envelope(&self, out: &mut Out) -> anyhow::Result<()> {
        let entry = &self.entry;
        let mut line = |name: &str, value: &str| {
            let value = harmless(value).replace(['\n', '\t'], " ");
            writeln!(out, "{name:<14}{}", value.trim_end())
        };
        line("message", &entry.id)?;
        line("received", &entry.received_at)?;
        line("from client", &format!("{} ({} {})", entry.client, self.protocol, self.helo))?;
        line("listener", &self.listener)?;
        line("reply", &entry.reply)?;
        line("size", &format!("{} octets", entry.size))?;
        if let Some(stored) = self.stored_bytes {
            line("stored", &format!("{}: only {stored} of them", entry.store))?;
        }
        if !entry.flags.is_empty() {
            line("flags", &entry.flags.join(", "))?;
        }
        if !entry.deviations.is_empty() {
            line("tolerated", &entry.deviations.join(", "))?;
        }
        line("reverse-path", &format!("<{}> {}", entry.mail_from, self.mail_parameters))?;
        for recipient in &self.recipients {
            line("forward-path", &format!("<{}> {}", recipient.path, recipient.parameters))?;
        }
        Ok(())
    }

    fn print_parts(&self, out: &mut Out) -> anyhow::Result<()> {
        writeln!(out)?;
        for (name, value) in &self.headers {
            let value = harmless(value).replace(['\n', '\t'], " ");
            writeln!(out, "{}: {value}", harmless(name))?;
        }
        writeln!(out)?;
        for part in &self.parts {
            let indent = "  ".repeat(part.depth);
            let name = part.file_name.as_deref().map_or(String::new(), |n| format!("  {n}"));
            let text =
                format!("{indent}{}  {} octets{name}", part.content_type, part.decoded_bytes);
            writeln!(out, "{}", harmless(&text).replace(['\n', '\t'], " "))?;
        }
        if self.parts_total > self.parts.len() {
            writeln!(out, "and {} further parts", self.parts_total - self.parts.len())?;
        }
        Ok(())
    }
}

fn print_text(message: &[u8], out: &mut Out) -> anyhow::Result<()> {
    let Some(text) = text::plain(message) else { return Ok(()) };
    writeln!(out)?;
    let mut lines = text.lines();
    for line in lines.by_ref().take(TEXT_LINES_MAX) {
        writeln!(out, "{}", harmless(line))?;
    }
    if lines.next().is_some() {
        writeln!(out, "… (the whole text: sinkctl show --text)")?;
    }
    Ok(())
}

/// Returns the octets of content; a multipart has none beside its parts.
pub fn decoded_bytes(part: &Part<'_>) -> usize {
    match part.kind {
        PartKind::Multipart => 0,
        PartKind::Leaf | PartKind::Message => part.content().len(),
    }
}
