//! Prints a whole message as text: envelope, header fields, parts and content.
use std::io::Write;

use sinkd::analysis::message::Message;
use sinkd::analysis::rows::TlsRow;
use sinkd::mime::text;
use sinkd::wording::{counted, duration, printable, printable_line};

use crate::base::outcome::Out;

/// Maximum number of lines of content; `--text` prints all.
const TEXT_LINES_MAX: usize = 40;

/// Prints a message; `octets` are all of it, or its stored part.
pub fn print(message: &Message, octets: &[u8], out: &mut Out) -> anyhow::Result<()> {
    print_envelope(message, out)?;
    print_parts(message, out)?;
    print_text(octets, out)
}

fn print_envelope(message: &Message, out: &mut Out) -> anyhow::Result<()> {
    let envelope = &message.envelope;
    let mut line = |name: &str, value: &str| {
        let value = printable_line(value);
        writeln!(out, "{name:<14}{}", value.trim_end())
    };
    line("message", &envelope.id)?;
    line("received", &envelope.received_at)?;
    let client = envelope.client.as_deref().unwrap_or("(unknown)");
    line("from client", &format!("{client} ({} {})", message.protocol, message.helo))?;
    if let Some(peer) = &envelope.peer {
        line("by way of", peer)?;
    }
    if let Some(tls) = &message.proxy_tls {
        let words = [&tls.version, &tls.cipher, &tls.server_name, &tls.common_name];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        line("TLS to proxy", &words.join(" "))?;
    }
    if envelope.listener == message.listener_address {
        line("listener", &envelope.listener)?
    } else {
        line("listener", &format!("{} ({})", envelope.listener, message.listener_address))?
    }
    if let Some(tls) = &envelope.tls {
        line("TLS", &tls_line(tls))?;
    }
    if let (Some(user), Some(mechanism)) = (&envelope.user, &envelope.auth) {
        line("user", &format!("{user} (AUTH {mechanism})"))?;
    }
    if let Some(sink) = &envelope.sink {
        line("sink", sink)?;
    }
    line("reply", &envelope.reply)?;
    line("size", &counted(envelope.size.into(), "byte", "bytes"))?;
    if let Some(stored) = message.stored_bytes {
        line("stored", &format!("{}: only {stored} of them", envelope.store))?;
    }
    if !envelope.flags.is_empty() {
        line("flags", &envelope.flags.join(", "))?;
    }
    if !envelope.deviations.is_empty() {
        line("tolerated", &envelope.deviations.join(", "))?;
    }
    line("reverse-path", &format!("<{}> {}", envelope.mail_from, message.mail_parameters))?;
    for recipient in &message.recipients {
        line("forward-path", &format!("<{}> {}", recipient.path, recipient.parameters))?;
    }
    Ok(())
}

fn tls_line(tls: &TlsRow) -> String {
    let mut words = vec![format!("{} {}", tls.version, tls.cipher)];
    words.extend(tls.server_name.iter().map(|name| format!("for {name}")));
    words.extend(tls.client_subject.iter().map(|subject| format!("client {subject}")));
    words.extend(tls.resumed.then(|| "resumed".to_owned()));
    words.push(format!("handshake {}", duration(f64::from(tls.handshake_us))));
    words.join(", ")
}

fn print_parts(message: &Message, out: &mut Out) -> anyhow::Result<()> {
    writeln!(out)?;
    for (name, value) in &message.headers {
        let value = printable_line(value);
        writeln!(out, "{}: {value}", printable(name))?;
    }
    writeln!(out)?;
    for part in &message.parts {
        let indent = "  ".repeat(part.depth);
        let name = part.file_name.as_deref().map_or(String::new(), |n| format!("  {n}"));
        let bytes = counted(part.decoded_bytes as u64, "byte", "bytes");
        let text = format!("{indent}{}  {bytes}{name}", part.content_type);
        writeln!(out, "{}", printable_line(&text))?;
    }
    if message.parts_total > message.parts.len() {
        writeln!(out, "and {} further parts", message.parts_total - message.parts.len())?;
    }
    Ok(())
}

fn print_text(message: &[u8], out: &mut Out) -> anyhow::Result<()> {
    let Some(text) = text::plain(message) else { return Ok(()) };
    writeln!(out)?;
    let mut lines = text.lines();
    for line in lines.by_ref().take(TEXT_LINES_MAX) {
        writeln!(out, "{}", printable(line))?;
    }
    if lines.next().is_some() {
        writeln!(out, "… (the whole text: sinkctl show --text)")?;
    }
    Ok(())
}
