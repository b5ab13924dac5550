//! The records of a connection after its handshake (RFC 8446 section 5, RFC 5246 section 6.2).
//!
//! rustls does handshakes and ciphers. The record layer is our own, because rustls returns each
//! record's payload in a separate vector: here, a record is decrypted in place, and its payload
//! needs no copy and no allocation.
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

/// Length of a record's header: type, version, length.
pub const HEADER_BYTES: usize = 5;
/// Limit on the content of a record.
pub const CONTENT_BYTES_MAX: usize = 1 << 14;
/// Limit on the size of a record, with what encryption adds: RFC 5246 allows 2,048 octets, RFC 8446
/// 256.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + CONTENT_BYTES_MAX + 2048;
/// Limit on consecutive records without content for the caller. A peer that sends more of them only
/// causes work.
const EMPTY_RECORDS_MAX: u32 = 32;

/// Alert levels (RFC 8446 section 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;
/// Handshake messages (RFC 8446 section 4).
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// The result of decrypting the record at the beginning of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Content.
    Content {
        /// The range of the content in the buffer.
        place: Range<usize>,
        /// Length of the record.
        octets: usize,
    },
    /// A record without content for the caller.
    Nothing {
        /// Length of the record.
        octets: usize,
    },
    /// Part of a record.
    Incomplete,
    /// The peer has sent close_notify.
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
    /// Whether the peer has requested new keys for our direction, which must precede the next
    /// content.
    owes_key_update: bool,
    /// Whether a no_renegotiation warning must precede the next content.
    owes_no_renegotiation: bool,
    empty_records: u32,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

impl Records {
    /// Takes over a connection with `secrets`, which its handshake agreed on.
    ///
    /// Errors: the cipher is unknown here. rustls has no such cipher.
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

    /// Decrypts the record at the beginning of `buffer` in place.
    ///
    /// After an error the connection must end. If the failure has an alert, send it
    /// ([`Records::alert`]).
    pub fn open(&mut self, buffer: &mut [u8]) -> Result<Opened, Failure> {
        let Some(octets) = record_bytes(buffer)? else { return Ok(Opened::Incomplete) };
        let start = buffer.as_ptr() as usize;
        let outer = ContentType::from(buffer[0]);
        if outer != ContentType::ApplicationData && self.is_tls13() {
            return Err(Failure::Unexpected);
        }
        let sealed = &mut buffer[HEADER_BYTES..octets];
        let message = InboundOpaqueMessage::new(outer, ProtocolVersion::TLSv1_2, sealed);
        let message =
            self.decrypter.decrypt(message, self.opened).map_err(Failure::from_record_error)?;
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
                [_, description] => {
                    return Err(Failure::from_alert(AlertDescription::from(description)));
                }
                _ => return Err(Failure::Malformed),
            },
            ContentType::Handshake => self.handshake_messages(&buffer[place])?,
            _ => return Err(Failure::Unexpected),
        }
        self.empty_records += 1;
        if self.empty_records > EMPTY_RECORDS_MAX {
            Err(Failure::Unexpected)
        } else {
            Ok(Opened::Nothing { octets })
        }
    }

    /// Appends `content` to `out` as records, each with at most [`CONTENT_BYTES_MAX`] octets of
    /// content. After each of them, it calls `ended(content, records)` with the number of octets of
    /// content encrypted so far, and the length of `out`.
    pub fn seal(
        &mut self,
        content: &[u8],
        out: &mut Vec<u8>,
        mut ended: impl FnMut(usize, usize),
    ) -> Result<(), Failure> {
        self.push_owed(out)?;
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

    /// Appends close_notify to `out` (RFC 8446 section 6.1). Nothing may be encrypted afterwards.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        // If the keys are used up, the connection closes without a close_notify.
        let _ = self.push(ContentType::Alert, &[WARNING, 0], out);
    }

    /// Appends the alert of `failure` to `out`. A failure that the peer reported has none.
    pub fn alert(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if let Some(alert) = failure.alert() {
            let _ = self.push(ContentType::Alert, &[FATAL, u8::from(alert)], out);
        }
    }

    fn is_tls13(&self) -> bool {
        matches!(self.suite, SupportedCipherSuite::Tls13(_))
    }

    /// Returns the number of records that one key may encrypt.
    fn limit(&self) -> u64 {
        match self.suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        }
    }

    /// Appends the records that must precede the next content.
    fn push_owed(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if std::mem::take(&mut self.owes_key_update) {
            self.change_keys(out)?;
        }
        if std::mem::take(&mut self.owes_no_renegotiation) {
            let alert = [WARNING, u8::from(AlertDescription::NoRenegotiation)];
            self.push(ContentType::Alert, &alert, out)?;
        }
        Ok(())
    }

    /// Announces new keys for our direction, and switches to them (RFC 8446 section 4.6.3).
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
        let record =
            self.encrypter.encrypt(message, self.sealed).map_err(Failure::from_record_error)?;
        self.sealed += 1;
        out.extend_from_slice(&record.encode());
        Ok(())
    }

    /// Handles handshake messages that arrive after the handshake.
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
                (NEW_SESSION_TICKET, ticket) if self.is_tls13() => {
                    self.keys.store_ticket(ticket)?
                }
                // A peer doesn't have to agree to another handshake (RFC 5246 section 7.4.1.1, RFC
                // 8446 section 4.1.2).
                (CLIENT_HELLO | HELLO_REQUEST, _) if !self.is_tls13() => {
                    self.owes_no_renegotiation = true;
                }
                _ => return Err(Failure::Unexpected),
            }
        }
        // A message must not be split, as the longest fits into a record.
        if messages.is_empty() { Ok(()) } else { Err(Failure::Unexpected) }
    }
}

/// Returns the length of the record at the beginning of `buffer`; `None` if it is incomplete.
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

/// Returns the key, and the initial value from which nonces are derived.
fn key_and_iv(
    secrets: ConnectionTrafficSecrets,
) -> Result<(rustls::crypto::cipher::AeadKey, Iv), Failure> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Failure::from_rustls(&Error::General("a cipher that is not known here".into()))),
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

/// Shows a new encrypter the nonce of record 0: AWS-LC assumes that the first nonce it sees is that
/// one, and then refuses nonces that don't increase. The result is discarded.
fn begin_at_zero(encrypter: &mut dyn MessageEncrypter) -> Result<(), Failure> {
    let message = OutboundPlainMessage {
        typ: ContentType::ApplicationData,
        version: ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&[]),
    };
    encrypter.encrypt(message, 0).map_err(Failure::from_record_error)?;
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
