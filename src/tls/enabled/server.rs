//! The server's side of a handshake: octets in, octets out.
use std::fmt;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{Error, HandshakeKind};

use super::acceptor::Acceptor;
use super::asked_name;
use super::failure::Failure;
use super::keys::Keys;
use super::progress::{self, HandshakeProgress};
use super::record::Records;
use super::spelling::{cipher, subject, version};

/// The first message of a client (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;

/// A handshake in progress.
pub struct Handshake {
    connection: Box<UnbufferedServerConnection>,
    /// The name that the client requested.
    server_name: Option<Box<str>>,
}

/// The parameters that a handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// For example `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as IANA spells it.
    pub cipher: String,
    /// The name that the client requested (SNI).
    pub server_name: Option<Box<str>>,
    /// Whether the handshake resumed an earlier session.
    pub is_resumed: bool,
    /// The subject of the client's certificate.
    pub client_subject: Option<String>,
}

/// The result of a completed handshake.
pub struct Established {
    /// The records of the connection.
    pub records: Records,
    /// The agreed parameters.
    pub agreed: Agreed,
    /// Content that arrived with the end of the handshake.
    pub early: Vec<u8>,
}

/// The result of a handshake step.
pub enum HandshakeStep {
    /// The handshake needs more octets from the client.
    Blocked(Handshake),
    /// The handshake is complete.
    Done(Box<Established>),
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl Handshake {
    /// Begins a handshake with the settings of `acceptor`.
    pub fn new(acceptor: &Acceptor) -> Result<Handshake, Failure> {
        let connection = UnbufferedServerConnection::new(acceptor.config());
        let connection = Box::new(connection.map_err(|error| Failure::from_rustls(&error))?);
        Ok(Handshake { connection, server_name: None })
    }

    /// Reads the complete messages of `incoming`, and appends to `out` what has to be sent to the
    /// client, including alerts. Returns the number of octets used.
    ///
    /// The client's hello costs up to 190 µs of CPU time, for keys and a signature.
    pub fn advance(
        mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Result<HandshakeStep, Failure>) {
        let mut used = 0;
        let mut early = Vec::new();
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut incoming[used..]);
            let progress = match state {
                Ok(state) => progress::advance(state, out, &mut early),
                Err(error) => {
                    let failure = failure(&error, &incoming[used..]);
                    self.write_alert(out);
                    return (used + discard, Err(failure));
                }
            };
            used += discard;
            if progress == HandshakeProgress::Closed {
                return (used, Err(Failure::CutOff));
            }
            if let Some(name) = asked_name::take() {
                self.server_name = Some(name);
            }
            // rustls must not read what follows: those records are decrypted in place.
            if !self.connection.is_handshaking() && !self.connection.wants_write() {
                return (used, self.finish(early).map(HandshakeStep::Done));
            }
            if progress == HandshakeProgress::Blocked {
                return (used, Ok(HandshakeStep::Blocked(self)));
            }
        }
    }

    /// Appends the alert that reports a failure. The input is empty, because nothing that the
    /// client sent may be read after a failure.
    fn write_alert(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let Ok(state) = self.connection.process_tls_records(&mut []).state else { return };
            if progress::advance(state, out, &mut Vec::new()) != HandshakeProgress::Continues {
                return;
            }
        }
    }

    fn finish(self, early: Vec<u8>) -> Result<Box<Established>, Failure> {
        let Handshake { connection, server_name } = self;
        let agreed = agreed(&connection, server_name);
        let (secrets, keys) = connection
            .dangerous_into_kernel_connection()
            .map_err(|error| Failure::from_rustls(&error))?;
        let records = Records::new(secrets, Keys::Server(keys))?;
        Ok(Box::new(Established { records, agreed, early }))
    }
}

/// Returns why a handshake failed. `incoming` is the input that should have continued it.
fn failure(error: &Error, incoming: &[u8]) -> Failure {
    match (Failure::from_rustls(error), incoming) {
        (Failure::Malformed, [typ, ..]) if !(20..=23).contains(typ) => Failure::NotTls,
        // A hello of TLS 1.1 or older also lacks other things, which rustls reports first.
        (Failure::NoCommonCipher, [_, _, _, _, _, CLIENT_HELLO, _, _, _, 3, 0..=2, ..]) => {
            Failure::NoCommonVersion
        }
        (failure, _) => failure,
    }
}

fn agreed(
    connection: &UnbufferedConnectionCommon<ServerConnectionData>,
    server_name: Option<Box<str>>,
) -> Agreed {
    let certificates = connection.peer_certificates().unwrap_or_default();
    Agreed {
        version: version(connection.protocol_version()),
        cipher: connection.negotiated_cipher_suite().map(cipher).unwrap_or_default(),
        server_name,
        is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        client_subject: certificates.first().map(|certificate| subject(certificate)),
    }
}
