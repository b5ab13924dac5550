//! The server's side of a handshake: octets in, octets out.
use std::fmt;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{Error, HandshakeKind};

use super::acceptor::Acceptor;
use super::asked_name;
use super::failure::Failure;
use super::keys::Keys;
use super::progress::{self, Progress};
use super::record::Records;
use super::spelling::{cipher, subject, version};

/// The first message of a client (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;

/// A handshake under way.
pub struct Handshake {
    connection: Box<UnbufferedServerConnection>,
    /// The name that the client asked for.
    server_name: Option<Box<str>>,
}

/// What a handshake has agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// For example `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as IANA spells it.
    pub cipher: String,
    /// The name that the client asked for (SNI).
    pub server_name: Option<Box<str>>,
    /// It continues an earlier session.
    pub is_resumed: bool,
    /// The subject of the client's certificate.
    pub client_subject: Option<String>,
}

/// A connection whose handshake is done.
pub struct Established {
    /// Its records from here on.
    pub records: Records,
    /// What was agreed on.
    pub agreed: Agreed,
    /// Content that came with the end of the handshake.
    pub early: Vec<u8>,
}

/// How far a handshake has come.
pub enum HandshakeStep {
    /// More octets of the client are needed.
    Blocked(Handshake),
    /// It is done.
    Done(Box<Established>),
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl Handshake {
    /// Begins a handshake that goes by `acceptor`.
    pub fn new(acceptor: &Acceptor) -> Result<Handshake, Failure> {
        let connection = UnbufferedServerConnection::new(acceptor.config());
        let connection = Box::new(connection.map_err(|error| Failure::of(&error))?);
        Ok(Handshake { connection, server_name: None })
    }

    /// Reads what is whole of `incoming`, and appends to `out` what goes to the client, an
    /// alert included. Returns how many octets were used.
    ///
    /// Costs up to 190 us of a core for the client's hello: keys, and a signature.
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
            if progress == Progress::Closed {
                return (used, Err(Failure::CutOff));
            }
            if let Some(name) = asked_name::take() {
                self.server_name = Some(name);
            }
            // Nothing that follows may be read by rustls: its records are opened in place.
            if !self.connection.is_handshaking() && !self.connection.wants_write() {
                return (used, self.finish(early).map(HandshakeStep::Done));
            }
            if progress == Progress::Blocked {
                return (used, Ok(HandshakeStep::Blocked(self)));
            }
        }
    }

    /// Appends the alert that reports a failure. The input is empty, because nothing that the
    /// client sent may be read after a failure.
    fn write_alert(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let Ok(state) = self.connection.process_tls_records(&mut []).state else { return };
            if progress::advance(state, out, &mut Vec::new()) != Progress::Continues {
                return;
            }
        }
    }

    fn finish(self, early: Vec<u8>) -> Result<Box<Established>, Failure> {
        let Handshake { connection, server_name } = self;
        let agreed = agreed(&connection, server_name);
        let (secrets, keys) =
            connection.dangerous_into_kernel_connection().map_err(|error| Failure::of(&error))?;
        let records = Records::new(secrets, Keys::Server(keys))?;
        Ok(Box::new(Established { records, agreed, early }))
    }
}

/// Why a handshake failed that `incoming` was to continue.
fn failure(error: &Error, incoming: &[u8]) -> Failure {
    match (Failure::of(error), incoming) {
        (Failure::Malformed, [typ, ..]) if !(20..=23).contains(typ) => Failure::NotTls,
        // A hello of TLS 1.1 or older lacks more than the version.
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
