//! The row of an envelope and its slot, as in `--json`.
use std::collections::HashSet;

use serde::Serialize;

use crate::analysis::words::rfc3339;
use crate::log::{MessageId, Slot, SlotFacts, StoredPart};
use crate::smtp::envelope;
use crate::smtp::tls::SessionTls;
use crate::wording::readable;

/// The envelope of a message and how it was received: the table *envelope* in docs/json.md. Keys
/// keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct EnvelopeRow {
    /// The id, `segment:slot`.
    pub id: String,
    /// When the message was received, RFC 3339 in UTC with nanoseconds.
    pub received_at: String,
    /// The reverse-path without its brackets; "" is the null reverse-path.
    pub mail_from: String,
    /// Forward-paths as sent, in order, with repetitions.
    pub rcpt_to: Vec<String>,
    /// The size of the message in bytes, whether it is stored or not.
    pub size: u32,
    /// The stored part: "full", "headers" or "envelope".
    pub store: &'static str,
    /// Some of "chunked", "headers-only", "envelope-only", "reply-not-sent".
    pub flags: Vec<&'static str>,
    /// The tolerated deviations, by name (docs/conformance.md).
    pub deviations: Vec<&'static str>,
    /// The final reply, as its code and enhanced code.
    pub reply: String,
    /// The time from MAIL to the end of data, in µs.
    pub transaction_us: u32,
    /// Identifies the session, which is the same for all messages of a connection. A string,
    /// because JavaScript rounds numbers above 2^53.
    pub session: String,
    /// The client's address; null if it is unknown.
    pub client: Option<String>,
    /// The address that connected, if PROXY or XCLIENT named another client.
    pub peer: Option<String>,
    /// The name of the listener, or its configured address if it has no name.
    pub listener: String,
    /// The name of the sink (`--name`); null if it has none.
    pub sink: Option<String>,
    /// The user that the client authenticated as; null if it did not.
    pub user: Option<String>,
    /// The AUTH mechanism that the client used; null if it did not authenticate.
    pub auth: Option<String>,
    /// The TLS of the session; null in plain text.
    pub tls: Option<TlsRow>,
}

/// The TLS between client and sinkd in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsRow {
    /// "TLSv1.2" or "TLSv1.3".
    pub version: String,
    /// The cipher suite, as IANA spells it.
    pub cipher: String,
    /// The server name that the client requested (SNI).
    pub server_name: Option<String>,
    /// The subject of the client's certificate; null if it presented none.
    pub client_subject: Option<String>,
    /// Whether the client resumed an earlier session.
    pub resumed: bool,
    /// The duration of the handshake, in µs.
    pub handshake_us: u32,
}

impl TlsRow {
    fn new(tls: &SessionTls<'_>) -> TlsRow {
        let text = |octets: &[u8]| Some(octets).filter(|it| !it.is_empty()).map(readable);
        TlsRow {
            version: readable(tls.version),
            cipher: readable(tls.cipher),
            server_name: text(tls.server_name),
            client_subject: text(tls.client_subject),
            resumed: tls.is_resumed,
            handshake_us: tls.handshake_us,
        }
    }
}

/// Whether the client was sent the 250 for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalReply {
    /// The 250 was sent, as far as sinkd knows.
    Sent,
    /// A note in the log says that the 250 could not be sent.
    Unsent,
}

impl FinalReply {
    /// `noted` has the messages whose reply was not sent, according to notes in the log.
    pub fn of(slot: &Slot, noted: &HashSet<MessageId>) -> FinalReply {
        if noted.contains(&slot.id()) { FinalReply::Unsent } else { FinalReply::Sent }
    }
}

impl EnvelopeRow {
    /// `envelope` is the stored envelope.
    pub fn new(slot: &Slot, envelope: &[u8], reply: FinalReply) -> EnvelopeRow {
        let facts = &slot.facts();
        // An envelope that can't be decoded, such as one of a newer version, is listed as empty.
        let envelope = envelope::decode(envelope).ok();
        let paths = envelope.iter().flat_map(|e| e.recipients());
        let [class, subject, detail] = facts.enhanced;
        EnvelopeRow {
            id: slot.id().to_string(),
            received_at: rfc3339(facts.received_at_ns),
            mail_from: readable(envelope.map_or(&[], |e| e.mail_from)),
            rcpt_to: paths.map(|r| readable(r.path)).collect(),
            size: facts.message_bytes,
            store: store(facts.mode),
            flags: flags(facts, reply),
            deviations: envelope
                .iter()
                .flat_map(|e| e.deviations.kinds())
                .map(|kind| kind.name())
                .collect(),
            reply: format!("{} {class}.{subject}.{detail}", facts.reply_code),
            transaction_us: facts.transaction_us,
            session: facts.session.to_string(),
            client: envelope.and_then(|e| e.client).map(|client| client.to_string()),
            peer: envelope.and_then(|e| e.peer).map(|peer| peer.to_string()),
            listener: readable(envelope.map_or(&[], |e| e.listener_label())),
            sink: envelope.map(|e| e.sink_name).filter(|it| !it.is_empty()).map(readable),
            user: envelope.map(|e| e.user()).filter(|it| !it.is_empty()).map(readable),
            auth: envelope.map(|e| e.mechanism()).filter(|it| !it.is_empty()).map(readable),
            tls: envelope.and_then(|e| e.tls).as_ref().map(TlsRow::new),
        }
    }
}

fn store(mode: StoredPart) -> &'static str {
    match mode {
        StoredPart::Full => "full",
        StoredPart::Headers => "headers",
        StoredPart::Envelope => "envelope",
    }
}

fn flags(facts: &SlotFacts, reply: FinalReply) -> Vec<&'static str> {
    let mut flags = Vec::new();
    match facts.mode {
        StoredPart::Full => {}
        StoredPart::Headers => flags.push("headers-only"),
        StoredPart::Envelope => flags.push("envelope-only"),
    }
    if facts.chunked {
        flags.push("chunked");
    }
    if reply == FinalReply::Unsent {
        flags.push("reply-not-sent");
    }
    flags
}
