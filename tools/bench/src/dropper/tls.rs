//! TLS of dropper: both ways in which rustls decrypts.
use std::io::{self, BufRead, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use memchr::memmem::Finder;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ServerConfig, ServerConnection};

use super::session::{BANNER, Session, Wish};

/// Room that a handshake message gets at first.
const HANDSHAKE_BYTES: usize = 1024;
/// Room that the records of a reply get at first, besides their content.
const RECORD_BYTES: usize = 256;
/// Room for a close_notify.
const CLOSE_NOTIFY_BYTES: usize = 64;

/// Which interface of rustls decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// In the buffer of the caller.
    Unbuffered,
    /// Into rustls's own buffers: what most programs use.
    Buffered,
}

/// Settings of all connections.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    api: Api,
}

impl TlsServer {
    /// Loads a chain of certificates and its key, both PEM. Errors are sentences for the user.
    pub fn load(certificate: &Path, key: &Path, api: Api) -> Result<TlsServer, String> {
        let of_file = |path: &Path, error| format!("{}: {error}", path.display());
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| of_file(certificate, error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of_file(key, error))?;
        let text = |error: rustls::Error| error.to_string();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(text)?;
        // One ticket after a handshake, as sinkd sends, without a table of sessions.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(text)?;
        config.send_tls13_tickets = 1;
        Ok(TlsServer { config: Arc::new(config), api })
    }

    /// Returns the TLS of a new connection, before its handshake.
    pub fn connection(&self) -> io::Result<Tls> {
        let config = self.config.clone();
        Ok(match self.api {
            Api::Unbuffered => Tls::Unbuffered(Box::new(Unbuffered {
                connection: UnbufferedServerConnection::new(config).map_err(invalid)?,
                greeting: Greeting::None,
            })),
            Api::Buffered => {
                Tls::Buffered(Box::new(ServerConnection::new(config).map_err(invalid)?))
            }
        })
    }
}

/// TLS of one connection.
pub enum Tls {
    Unbuffered(Box<Unbuffered>),
    Buffered(Box<ServerConnection>),
}

pub struct Unbuffered {
    connection: UnbufferedServerConnection,
    greeting: Greeting,
}

/// A banner that waits for the end of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    None,
    Waits,
}

/// What was made of the octets of one or more reads.
pub struct Opened {
    /// Octets that belong to complete records; the others are to be passed again.
    pub used_bytes: usize,
    pub is_closed: bool,
}

/// Buffers that all connections share; empty between two reads.
pub struct Buffers<'a> {
    /// Replies that are not encrypted yet.
    pub replies: &'a mut Vec<u8>,
    /// What is sent.
    pub out: &'a mut Vec<u8>,
    pub end_of_data: &'a Finder<'static>,
}

impl Tls {
    /// Sends the banner as soon as the handshake is over.
    pub fn greet(&mut self) -> io::Result<()> {
        match self {
            Tls::Unbuffered(tls) => tls.greeting = Greeting::Waits,
            // rustls keeps it until the handshake is done.
            Tls::Buffered(connection) => connection.writer().write_all(BANNER)?,
        }
        Ok(())
    }

    /// Decrypts `incoming` for the session, and encrypts its replies into `buffers.out`.
    pub fn open(
        &mut self,
        incoming: &mut [u8],
        session: &mut Session,
        buffers: &mut Buffers<'_>,
    ) -> io::Result<Opened> {
        match self {
            Tls::Unbuffered(tls) => tls.open(incoming, session, buffers),
            Tls::Buffered(connection) => open_buffered(connection, incoming, session, buffers),
        }
    }
}

impl Unbuffered {
    /// Opens the complete records of `incoming`, in place.
    fn open(
        &mut self,
        incoming: &mut [u8],
        session: &mut Session,
        buffers: &mut Buffers<'_>,
    ) -> io::Result<Opened> {
        let mut used_bytes = 0;
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process_tls_records(&mut incoming[used_bytes..]);
            let mut is_closed = None;
            match state.map_err(invalid)? {
                ConnectionState::EncodeTlsData(message) => encode(message, buffers.out),
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                ConnectionState::ReadTraffic(mut content) => {
                    while let Some(record) = content.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        session.feed(record.payload, buffers.replies, buffers.end_of_data);
                    }
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    if std::mem::replace(&mut self.greeting, Greeting::None) == Greeting::Waits {
                        buffers.replies.extend_from_slice(BANNER);
                    }
                    write(&mut traffic, session, buffers)?;
                    is_closed = Some(false);
                }
                ConnectionState::BlockedHandshake => is_closed = Some(false),
                _ => is_closed = Some(true),
            }
            used_bytes += discard;
            if let Some(is_closed) = is_closed {
                return Ok(Opened { used_bytes, is_closed });
            }
        }
    }
}

/// Encrypts replies, and the end of the connection after QUIT.
fn write<D>(
    traffic: &mut WriteTraffic<'_, D>,
    session: &Session,
    buffers: &mut Buffers<'_>,
) -> io::Result<()> {
    let out = &mut *buffers.out;
    if !buffers.replies.is_empty() {
        encrypt(traffic, buffers.replies, out)?;
        buffers.replies.clear();
    }
    if session.wish() == Wish::Quit {
        let start = out.len();
        out.resize(start + CLOSE_NOTIFY_BYTES, 0);
        let bytes = traffic.queue_close_notify(&mut out[start..]).unwrap_or(0);
        out.truncate(start + bytes);
    }
    Ok(())
}

fn encode<D>(mut message: EncodeTlsData<'_, D>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut room_bytes = HANDSHAKE_BYTES;
    loop {
        out.resize(start + room_bytes, 0);
        match message.encode(&mut out[start..]) {
            Ok(bytes) => return out.truncate(start + bytes),
            Err(EncodeError::InsufficientSize(needed)) => room_bytes = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => return out.truncate(start),
        }
    }
}

fn encrypt<D>(
    traffic: &mut WriteTraffic<'_, D>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let start = out.len();
    let mut room_bytes = plain.len() + RECORD_BYTES;
    loop {
        out.resize(start + room_bytes, 0);
        match traffic.encrypt(plain, &mut out[start..]) {
            Ok(bytes) => {
                out.truncate(start + bytes);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(needed)) => room_bytes = needed.required_size,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Copies all of `incoming` into rustls's buffers.
fn open_buffered(
    connection: &mut ServerConnection,
    incoming: &[u8],
    session: &mut Session,
    buffers: &mut Buffers<'_>,
) -> io::Result<Opened> {
    let mut unread = incoming;
    let mut is_closed = false;
    while !unread.is_empty() && !is_closed {
        connection.read_tls(&mut unread)?;
        let state = connection.process_new_packets().map_err(invalid)?;
        is_closed = state.peer_has_closed();
        if state.plaintext_bytes_to_read() > 0 {
            let mut reader = connection.reader();
            loop {
                let read = match reader.fill_buf() {
                    Ok([]) | Err(_) => break,
                    Ok(content) => {
                        session.feed(content, buffers.replies, buffers.end_of_data);
                        content.len()
                    }
                };
                reader.consume(read);
            }
        }
    }
    connection.writer().write_all(buffers.replies)?;
    buffers.replies.clear();
    if session.wish() == Wish::Quit {
        connection.send_close_notify();
    }
    while connection.wants_write() {
        connection.write_tls(buffers.out)?;
    }
    Ok(Opened { used_bytes: incoming.len(), is_closed })
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
