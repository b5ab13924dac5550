//! Everything that is known of one message: envelope, header, parts.
use serde::Serialize;

use super::super::rows::{EnvelopeRow, FinalReply};
use super::super::words::readable;
use super::part_row::PartRow;
use super::stored::stored_bytes;
use crate::log::Slot;
use crate::mime::header;
use crate::mime::part::parts;
use crate::smtp::envelope::{self, DecodeError};
use crate::smtp::proxy::ClientTls;

/// Maximum number of parts listed; mail made to break parsers may have thousands.
const PARTS_MAX: usize = 200;

/// A message, as `sinkctl show --json` prints it. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// The envelope, as in a listing.
    #[serde(flatten)]
    pub envelope: EnvelopeRow,
    /// Bytes of the message that are stored; null: the whole message.
    pub stored_bytes: Option<u32>,
    /// The client's name in EHLO, HELO or LHLO, as sent.
    pub helo: String,
    /// "ESMTP", "SMTP" or "LMTP".
    pub protocol: String,
    /// The listener's address, as configured.
    pub listener_address: String,
    /// The client's TLS, as a PROXY header told it.
    pub proxy_tls: Option<ProxyTlsRow>,
    /// Parameters of MAIL, as sent.
    pub mail_parameters: String,
    /// Each RCPT, in order.
    pub recipients: Vec<RecipientRow>,
    /// Each header field as name and value, in order; values are unfolded and decoded.
    pub headers: Vec<(String, String)>,
    /// At most 200.
    pub parts: Vec<PartRow>,
    /// Number of parts; there may be more if it is 10000.
    pub parts_total: usize,
}

/// One RCPT.
#[derive(Debug, Clone, Serialize)]
pub struct RecipientRow {
    /// The forward-path without its brackets.
    pub path: String,
    /// Parameters of RCPT, as sent.
    pub parameters: String,
}

/// The client's TLS with its proxy.
#[derive(Debug, Clone, Serialize)]
pub struct ProxyTlsRow {
    /// Such as "TLSv1.3"; "" if the proxy did not say.
    pub version: String,
    /// In OpenSSL's spelling; "" if the proxy did not say.
    pub cipher: String,
    /// The name that the client asked for (SNI); "" without one.
    pub server_name: String,
    /// The common name of the client's certificate; "" without one.
    pub common_name: String,
    /// The client presented a certificate, and the proxy verified it.
    pub verified: bool,
}

impl ProxyTlsRow {
    fn new(tls: &ClientTls<'_>) -> ProxyTlsRow {
        ProxyTlsRow {
            version: readable(tls.version),
            cipher: readable(tls.cipher),
            server_name: readable(tls.server_name),
            common_name: readable(tls.common_name),
            verified: tls.is_verified,
        }
    }
}

impl Message {
    /// `envelope`: as it is stored. `octets`: the message, or what is stored of it.
    ///
    /// Costs a look at the structure, and decoding each part. Errors: the envelope can't be
    /// decoded, as a newer version wrote it.
    pub fn new(
        slot: &Slot,
        envelope: &[u8],
        octets: &[u8],
        reply: FinalReply,
    ) -> Result<Message, DecodeError> {
        let decoded = envelope::decode(envelope)?;
        let all = parts(octets);
        let recipient = |r: envelope::Recipient<'_>| RecipientRow {
            path: readable(r.path),
            parameters: readable(r.params),
        };
        let shown = all.parts.iter().take(PARTS_MAX).enumerate();
        Ok(Message {
            envelope: EnvelopeRow::new(slot, envelope, reply),
            stored_bytes: stored_bytes(slot),
            helo: readable(decoded.helo),
            protocol: readable(decoded.protocol),
            listener_address: readable(decoded.listener),
            proxy_tls: decoded.proxy_tls.as_ref().map(ProxyTlsRow::new),
            mail_parameters: readable(decoded.mail_params),
            recipients: decoded.recipients().map(recipient).collect(),
            headers: header::fields(octets).map(|f| (f.name().into_owned(), f.decoded())).collect(),
            parts: shown.map(|(at, part)| PartRow::new(at + 1, part)).collect(),
            parts_total: all.parts.len(),
        })
    }
}
