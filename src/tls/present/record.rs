//! The records of a connection whose handshake is done (RFC 8446 section 5, RFC 5246 section 6.2).
//!
//! Handshakes and ciphers are those of rustls. What lies between them is here, because rustls
//! returns each record's payload in a vector of its own: here a record is opened where it lies, and
//! its payload costs no copy and no allocation.
use std::ops::Range;

use rustls::crypto::cipher::{
    InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundPlainMessage,
};
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, ExtractedSecrets,
    ProtocolVersion, SupportedCipherSuite,
};

use super::failure::Failure;
use super::keys::Keys;

/// Octets before the payload of a record: type, version, length.
pub const HEADER_BYTES: usize = 5;
/// Octets of content that a record may have.
pub const CONTENT_BYTES_MAX: usize = 1 << 14;
/// Octets of a record with all that encryption adds: RFC 5246 allows 2,048, RFC 8446 256.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + CONTENT_BYTES_MAX + 2048;
/// Records without content for the caller that may follow each other. A peer that sends more of
/// them only makes work.
const EMPTY_RECORDS_MAX: u32 = 32;

/// Alert levels (RFC 8446 section 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;
/// Messages of a handshake (RFC 8446 section 4).
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// What the octets at the beginning of a buffer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Content.
    Content {
        /// Where it lies in the buffer.
        place: Range<usize>,
        /// Octets of the record.
        octets: usize,
    },
    /// A record without content for the caller.
    Nothing {
        /// Octets of the record.
        octets: usize,
    },
    /// Part of a record.
    Incomplete,
    /// The peer sends no more; it says so.
    Closed,
}

/// The records of one connection, in both directions.
pub struct Records {
    suite: SupportedCipherSuite,
    decrypter: Box<dyn MessageDecrypter>,
    encrypter: Box<dyn MessageEncrypter>,
    opened: u64,
    sealed: u64,
    keys: Keys,
    /// The peer has asked for other keys in our direction: they come before what we send next.
    owes_key_update: bool,
    /// A warning that goes before what we send next.
    owes_no_renegotiation: bool,
    empty_records: u32,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

impl Records {
    /// Takes over with `secrets`, which a handshake has agreed on.
    ///
    /// Errors: a cipher that this file does not know; rustls has none.
    pub(super) fn new(secrets: ExtractedSecrets, keys: Keys) -> Result<Records, Failure> {
        let suite = keys.suite();
        let (opened, reading) = secrets.rx;
        let (sealed, writing) = secrets.tx;
        let mut encrypter = encrypter(suite, writing)?;
        if sealed > 0 {
            begin_at_zero(&mut *encrypter)?;
        }
        Ok(Records {
            suite,
            decrypter: decrypter(suite, reading)?,
            encrypter,
            opened,
            sealed,
            keys,
            owes_key_update: false,
            owes_no_renegotiation: false,
            empty_records: 0,
        })
    }

    /// Opens the record at the beginning of `buffer`, where it lies.
    ///
    /// Errors end the connection: send [`Records::alert`], if the failure has one.
    pub fn open(&mut self, buffer: &mut [u8]) -> Result<Opened, Failure> {
        let Some(octets) = record_bytes(buffer)? else { return Ok(Opened::Incomplete) };
        let start = buffer.as_ptr() as usize;
        let outer = ContentType::from(buffer[0]);
        if outer != ContentType::ApplicationData && self.is_tls13() {
            return Err(Failure::Unexpected);
        }
        let sealed = &mut buffer[HEADER_BYTES..octets];
        let message = InboundOpaqueMessage::new(outer, ProtocolVersion::TLSv1_2, sealed);
        let message = self.decrypter.decrypt(message, self.opened).map_err(Failure::of_record)?;
        self.opened += 1;
        let place = match message.payload {
            [] => 0..0,
            content => {
                let from = content.as_ptr() as usize - start;
                from..from + content.len()
            }
        };
        match message.typ {
            ContentType::ApplicationData if !place.is_empty() => {
                self.empty_records = 0;
                return Ok(Opened::Content { place, octets });
            }
            ContentType::ApplicationData => {}
            ContentType::Alert => match *message.payload {
                [_, 0] => return Ok(Opened::Closed),
                [WARNING, _] if !self.is_tls13() => {}
                [_, description] => return Err(Failure::told(AlertDescription::from(description))),
                _ => return Err(Failure::Malformed),
            },
            ContentType::Handshake => self.handshake_messages(&buffer[place])?,
            _ => return Err(Failure::Unexpected),
        }
        self.empty_records += 1;
        match self.empty_records > EMPTY_RECORDS_MAX {
            true => Err(Failure::Unexpected),
            false => Ok(Opened::Nothing { octets }),
        }
    }

    /// Appends `content` to `out` as records, each of at most [`CONTENT_BYTES_MAX`] octets of it.
    /// `ended(content, records)` is called for each: how much of either there is up to its end.
    pub fn seal(
        &mut self,
        content: &[u8],
        out: &mut Vec<u8>,
        mut ended: impl FnMut(usize, usize),
    ) -> Result<(), Failure> {
        self.pay(out)?;
        let mut sealed = 0;
        for piece in content.chunks(CONTENT_BYTES_MAX) {
            if self.sealed >= self.limit() {
                self.change_keys(out)?;
            }
            self.push(ContentType::ApplicationData, piece, out)?;
            sealed += piece.len();
            ended(sealed, out.len());
        }
        Ok(())
    }

    /// Appends close_notify to `out` (RFC 8446 section 6.1): nothing may be sealed afterwards.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        // Where the keys are used up, the connection closes without it.
        let _ = self.push(ContentType::Alert, &[WARNING, 0], out);
    }

    /// Appends the alert of `failure` to `out`; a failure that the peer told has none.
    pub fn alert(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if let Some(alert) = failure.alert() {
            let _ = self.push(ContentType::Alert, &[FATAL, u8::from(alert)], out);
        }
    }

    fn is_tls13(&self) -> bool {
        matches!(self.suite, SupportedCipherSuite::Tls13(_))
    }

    /// Records that one key may seal.
    fn limit(&self) -> u64 {
        match self.suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        }
    }

    /// What goes before the next content.
    fn pay(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if std::mem::take(&mut self.owes_key_update) {
            self.change_keys(out)?;
        }
        if std::mem::take(&mut self.owes_no_renegotiation) {
            let alert = [WARNING, u8::from(AlertDescription::NoRenegotiation)];
            self.push(ContentType::Alert, &alert, out)?;
        }
        Ok(())
    }

    /// Announces other keys in our direction, and goes over to them (RFC 8446 4.6.3).
    fn change_keys(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.is_tls13() {
            return Err(Failure::KeysUsedUp);
        }
        let not_requested = [KEY_UPDATE, 0, 0, 1, 0];
        self.push(ContentType::Handshake, &not_requested, out)?;
        let (sealed, secrets) = self.keys.next_writing()?;
        (self.sealed, self.encrypter) = (sealed, encrypter(self.suite, secrets)?);
        Ok(())
    }

    fn push(&mut self, typ: ContentType, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let record = self.encrypter.encrypt(message, self.sealed).map_err(Failure::of_record)?;
        self.sealed += 1;
        out.extend_from_slice(&record.encode());
        Ok(())
    }

    /// Messages of a handshake that come after it.
    #[cold]
    fn handshake_messages(&mut self, mut messages: &[u8]) -> Result<(), Failure> {
        if messages.is_empty() {
            return Err(Failure::Unexpected);
        }
        while let [kind, a, b, c, rest @ ..] = messages {
            let bytes = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let (message, rest) = rest.split_at_checked(bytes).ok_or(Failure::Unexpected)?;
            messages = rest;
            match (*kind, message) {
                (KEY_UPDATE, [0 | 1]) if self.is_tls13() && rest.is_empty() => {
                    self.owes_key_update |= message[0] == 1;
                    let (opened, secrets) = self.keys.next_reading()?;
                    (self.opened, self.decrypter) = (opened, decrypter(self.suite, secrets)?);
                }
                (NEW_SESSION_TICKET, ticket) if self.is_tls13() => self.keys.keep(ticket)?,
                // A peer need not agree to another handshake (RFC 5246 7.4.1.1, RFC 8446 4.1.2).
                (CLIENT_HELLO | HELLO_REQUEST, _) if !self.is_tls13() => {
                    self.owes_no_renegotiation = true;
                }
                _ => return Err(Failure::Unexpected),
            }
        }
        match messages.is_empty() {
            true => Ok(()),
            // No message is cut here: the longest of them fits into a record.
            false => Err(Failure::Unexpected),
        }
    }
}

/// Octets of the record at the beginning of `buffer`; `None` if not all of it is there.
fn record_bytes(buffer: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(&[typ, major, minor, high, low]) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let octets = HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if !(20..=23).contains(&typ) || (major, minor) != (3, 3) {
        return Err(Failure::Malformed);
    }
    if octets > RECORD_BYTES_MAX {
        return Err(Failure::TooLong);
    }
    Ok((buffer.len() >= octets).then_some(octets))
}

/// The key, and the initial value that nonces are made from.
fn key_and_iv(
    secrets: ConnectionTrafficSecrets,
) -> Result<(rustls::crypto::cipher::AeadKey, Iv), Failure> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Failure::of(&Error::General("a cipher that is not known here".into()))),
    }
}

fn decrypter(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageDecrypter>, Failure> {
    let (key, iv) = key_and_iv(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            suite.aead_alg.decrypter(key, &iv.as_ref()[..fixed])
        }
    })
}

/// Shows a new encrypter which nonce belongs to record 0: AWS-LC takes the first that it sees for
/// that one, and then refuses what does not rise. What is sealed here leaves no further.
fn begin_at_zero(encrypter: &mut dyn MessageEncrypter) -> Result<(), Failure> {
    let message = OutboundPlainMessage {
        typ: ContentType::ApplicationData,
        version: ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&[]),
    };
    encrypter.encrypt(message, 0).map_err(Failure::of_record)?;
    Ok(())
}

fn encrypter(
    suite: SupportedCipherSuite,
    secrets: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageEncrypter>, Failure> {
    let (key, iv) = key_and_iv(secrets)?;
    Ok(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            let (fixed, explicit) = iv.as_ref().split_at(fixed);
            suite.aead_alg.encrypter(key, fixed, explicit)
        }
    })
}
