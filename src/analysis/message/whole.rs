//! Everything known about one message: envelope, header fields, parts.
use serde::Serialize;

use super::part_row::PartRow;
use super::stored::stored_bytes;
use crate::analysis::rows::{EnvelopeRow, FinalReply};
use crate::log::Slot;
use crate::mime::header;
use crate::mime::part::parts;
use crate::smtp::envelope::{self, DecodeError};
use crate::smtp::proxy::ClientTls;
use crate::wording::readable;

/// Maximum number of listed parts; hostile mail may have thousands.
const PARTS_MAX: usize = 200;

/// A message, as in `sinkctl show --json`. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// The envelope, as in a listing.
    #[serde(flatten)]
    pub envelope: EnvelopeRow,
    /// The number of stored bytes; null if the message is stored in full.
    pub stored_bytes: Option<u32>,
    /// The client's name in EHLO, HELO or LHLO, as sent.
    pub helo: String,
    /// "ESMTP", "SMTP" or "LMTP".
    pub protocol: String,
    /// The listener's address, as configured.
    pub listener_address: String,
    /// The client's TLS, as reported by a PROXY header.
    pub proxy_tls: Option<ProxyTlsRow>,
    /// The parameters of MAIL as sent, such as `SIZE=1024 BODY=8BITMIME`; "" without any.
    pub mail_parameters: String,
    /// Each accepted RCPT, in order, with repetitions.
    pub recipients: Vec<RecipientRow>,
    /// Each header field as name and value, in order; values are unfolded and decoded.
    pub headers: Vec<(String, String)>,
    /// The parts, at most 200.
    pub parts: Vec<PartRow>,
    /// The number of parts; at 10000, counting stops.
    pub parts_total: usize,
}

/// A recipient, as in its RCPT command.
#[derive(Debug, Clone, Serialize)]
pub struct RecipientRow {
    /// The forward-path without its brackets.
    pub path: String,
    /// The parameters of RCPT as sent; "" without any.
    pub parameters: String,
}

/// The TLS between the client and its proxy, as the proxy reported it.
#[derive(Debug, Clone, Serialize)]
pub struct ProxyTlsRow {
    /// The version, such as "TLSv1.3"; null if the proxy did not report it.
    pub version: Option<String>,
    /// The cipher in OpenSSL's spelling; null if the proxy did not report it.
    pub cipher: Option<String>,
    /// The server name that the client requested (SNI); null if there was none.
    pub server_name: Option<String>,
    /// The common name of the client's certificate; null if there was none.
    pub common_name: Option<String>,
    /// Whether the client presented a certificate that the proxy verified.
    pub verified: bool,
}

impl ProxyTlsRow {
    fn new(tls: &ClientTls<'_>) -> ProxyTlsRow {
        let reported = |octets: &[u8]| Some(octets).filter(|it| !it.is_empty()).map(readable);
        ProxyTlsRow {
            version: reported(tls.version),
            cipher: reported(tls.cipher),
            server_name: reported(tls.server_name),
            common_name: reported(tls.common_name),
            verified: tls.is_verified,
        }
    }
}

impl Message {
    /// Collects everything. `envelope` is the stored envelope; `octets` is the message, or its
    /// stored part.
    ///
    /// Parses the structure, and decodes each listed part. Errors: the envelope can't be decoded,
    /// because a newer version wrote it.
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
