//! TLS of the generator: full TLS 1.3 handshakes over P-256, with any certificate.
use std::io::{self, BufRead, IoSlice, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use sinkd_bench::net::{self, Errno};

use super::message::Message;
use super::outbox::Outbox;

/// Pieces of ciphertext that one call sends at most.
const PIECES_MAX: usize = 64;

/// The settings of all connections.
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    pub fn new() -> TlsClient {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1];
        let provider = Arc::new(provider);
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        TlsClient(Arc::new(config))
    }

    /// Returns a connection whose hello waits to be sent.
    pub fn connection(&self) -> Box<ClientConnection> {
        let name = ServerName::try_from("localhost").expect("localhost is a DNS name");
        let connection = ClientConnection::new(self.0.clone(), name);
        Box::new(connection.expect("the settings have a suite and a group"))
    }
}

/// Decrypts `octets` and appends the content to `plain`.
pub fn decrypt(
    tls: &mut ClientConnection,
    mut octets: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), String> {
    while !octets.is_empty() {
        tls.read_tls(&mut octets).map_err(|error| error.to_string())?;
        tls.process_new_packets().map_err(|error| error.to_string())?;
        let mut reader = tls.reader();
        loop {
            let read = match reader.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(content) => {
                    plain.extend_from_slice(content);
                    content.len()
                }
            };
            reader.consume(read);
        }
    }
    Ok(())
}

/// Counts of what left over TLS.
#[derive(Debug, Clone, Copy, Default)]
pub struct SealedOutput {
    /// Calls of sendmsg, including those that failed.
    pub sends: u64,
    /// Bytes that the socket accepted.
    pub bytes: u64,
}

/// Encrypts and sends `outbox`, as much as the socket accepts; rustls keeps up to 64 KiB that it
/// didn't accept.
///
/// `output` is right even if this fails.
pub fn send(
    tls: &mut ClientConnection,
    socket: BorrowedFd<'_>,
    outbox: &mut Outbox,
    messages: &[Message],
    output: &mut SealedOutput,
) -> io::Result<()> {
    loop {
        seal(tls, outbox, messages)?;
        while tls.wants_write() {
            let sent = tls.write_tls(&mut CountedSocket { socket, output });
            match sent {
                Ok(bytes) => output.bytes += bytes as u64,
                Err(error) if Errno::from_io_error(&error).is_some_and(net::is_not_ready) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if outbox.is_empty() {
            return Ok(());
        }
    }
}

/// Moves output to rustls until it accepts no more.
fn seal(tls: &mut ClientConnection, outbox: &mut Outbox, messages: &[Message]) -> io::Result<()> {
    while !outbox.is_empty() {
        let octets = outbox.first(messages);
        let accepted = tls.writer().write(octets)?;
        let is_full = accepted < octets.len();
        outbox.advance(accepted, messages);
        if is_full {
            break;
        }
    }
    Ok(())
}

struct CountedSocket<'a> {
    socket: BorrowedFd<'a>,
    output: &'a mut SealedOutput,
}

impl Write for CountedSocket<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.output.sends += 1;
        Ok(net::send_pieces(self.socket, &pieces[..pieces.len().min(PIECES_MAX)])?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Accepts every certificate, but checks the signature, so that a handshake costs what it costs a
/// client.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
