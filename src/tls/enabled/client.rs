//! The client's side of a handshake: octets in, octets out.
use std::fmt;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{Error, HandshakeKind};

use super::connector::Connector;
use super::failure::Failure;
use super::keys::Keys;
use super::progress::{self, HandshakeProgress};
use super::record::Records;
use super::spelling::version;

/// A handshake in progress.
pub struct ClientHandshake {
    connection: Box<UnbufferedClientConnection>,
}

/// The result of a completed handshake.
pub struct Secured {
    /// The records of the connection.
    pub records: Records,
    /// For example `TLSv1.3`.
    pub version: &'static str,
    /// Whether the handshake resumed an earlier session.
    pub kind: SessionKind,
    /// Content that arrived with the end of the handshake.
    pub early: Vec<u8>,
}

/// Whether a handshake resumed an earlier session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A new session.
    New,
    /// A resumed session.
    Resumed,
}

/// The result of a handshake step.
pub enum ClientStep {
    /// The handshake needs more octets from the server.
    Blocked(ClientHandshake),
    /// The handshake is complete.
    Done(Box<Secured>),
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientHandshake")
    }
}

impl ClientHandshake {
    /// Begins a handshake with the settings of `connector`. The first `advance` writes its first
    /// message.
    pub fn new(connector: &Connector) -> Result<ClientHandshake, Failure> {
        let (config, name) = connector.parts();
        let connection = UnbufferedClientConnection::new(config, name);
        let connection = connection.map_err(|error| Failure::from_rustls(&error))?;
        Ok(ClientHandshake { connection: Box::new(connection) })
    }

    /// Reads the complete messages of `incoming`, and appends to `out` what has to be sent to the
    /// server, including alerts. Returns the number of octets used.
    ///
    /// A full handshake costs about 100 µs of CPU time, for keys and verifying a signature.
    pub fn advance(
        mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Result<ClientStep, Failure>) {
        let mut used = 0;
        let mut early = Vec::new();
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut incoming[used..]);
            let progress = match state {
                Ok(state) => progress::advance(state, out, &mut early),
                Err(error) => {
                    used += discard;
                    let failure = failure(&error, &incoming[used..]);
                    write_alert(&mut self.connection, out);
                    return (used, Err(failure));
                }
            };
            used += discard;
            if progress == HandshakeProgress::Closed {
                return (used, Err(Failure::CutOff));
            }
            // rustls must not read what follows: those records are decrypted in place.
            if !self.connection.is_handshaking() && !self.connection.wants_write() {
                return (used, self.finish(early).map(ClientStep::Done));
            }
            if progress == HandshakeProgress::Blocked {
                return (used, Ok(ClientStep::Blocked(self)));
            }
        }
    }

    fn finish(self, early: Vec<u8>) -> Result<Box<Secured>, Failure> {
        let connection = *self.connection;
        let version = version(connection.protocol_version());
        let kind = match connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => SessionKind::Resumed,
            _ => SessionKind::New,
        };
        let (secrets, keys) = connection
            .dangerous_into_kernel_connection()
            .map_err(|error| Failure::from_rustls(&error))?;
        let records = Records::new(secrets, Keys::Client(keys))?;
        Ok(Box::new(Secured { records, version, kind, early }))
    }
}

/// Appends the alert that reports a failure. The input is empty, because nothing that the server
/// sent may be read after a failure.
fn write_alert(
    connection: &mut UnbufferedConnectionCommon<ClientConnectionData>,
    out: &mut Vec<u8>,
) {
    while connection.wants_write() {
        let Ok(state) = connection.process_tls_records(&mut []).state else { return };
        if progress::advance(state, out, &mut Vec::new()) != HandshakeProgress::Continues {
            return;
        }
    }
}

/// Returns why a handshake failed. `rest` begins with the input that could not be read.
fn failure(error: &Error, rest: &[u8]) -> Failure {
    match (Failure::from_rustls(error), rest.first()) {
        (Failure::Malformed, Some(typ)) if !(20..=23).contains(typ) => Failure::NotTls,
        (failure, _) => failure,
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
