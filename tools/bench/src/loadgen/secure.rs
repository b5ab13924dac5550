//! TLS of the generator: full TLS 1.3 handshakes over P-256, with any certificate.
use std::io::{self, BufRead, ErrorKind, Write};
use std::os::raw::c_int;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::Resumption;
use rustls::crypto::{aws_lc_rs, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsUse {
    Off,
    StartTls,
    Implicit,
}

/// Configuration of all connections.
pub struct Offer(Arc<ClientConfig>);

impl Offer {
    pub fn new() -> Offer {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1];
        let provider = Arc::new(provider);
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Offer(Arc::new(config))
    }

    pub fn connection(&self) -> Box<ClientConnection> {
        let name = ServerName::try_from("localhost").expect("a name");
        Box::new(ClientConnection::new(self.0.clone(), name).expect("the settings are right"))
    }
}

/// Decrypts `octets` and appends the content to `plain`.
pub fn decrypt(
    tls: &mut ClientConnection,
    mut octets: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), String> {
    while !octets.is_empty() {
        tls.read_tls(&mut octets).map_err(|e| e.to_string())?;
        tls.process_new_packets().map_err(|e| e.to_string())?;
        let mut reader = tls.reader();
        loop {
            let taken = match reader.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(content) => {
                    plain.extend_from_slice(content);
                    content.len()
                }
            };
            reader.consume(taken);
        }
    }
    Ok(())
}

struct Socket<'a> {
    fd: c_int,
    sends: &'a mut u64,
}

impl Write for Socket<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[io::IoSlice::new(octets)])
    }
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        *self.sends += 1;
        // SAFETY: `IoSlice` has the layout of iovec, and sendmsg(2) only reads what it names.
        let sent = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = pieces.as_ptr() as *mut libc::iovec;
            message.msg_iovlen = pieces.len().min(64) as _;
            libc::sendmsg(self.fd, &message, libc::MSG_NOSIGNAL)
        };
        match sent {
            n if n >= 0 => Ok(n as usize),
            _ => Err(io::Error::last_os_error()),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Seals `out` from piece `next` on, as much as the socket accepts; rustls keeps at most 64 KiB.
/// Returns the number of octets sent.
pub fn send(
    tls: &mut ClientConnection,
    fd: c_int,
    out: &mut Vec<libc::iovec>,
    next: &mut usize,
    sends: &mut u64,
) -> io::Result<usize> {
    let mut left_us = 0;
    loop {
        while *next < out.len() {
            let piece = &mut out[*next];
            // SAFETY: the generator's pieces stay in its slots and classes until they are sent.
            let octets =
                unsafe { std::slice::from_raw_parts(piece.iov_base as *const u8, piece.iov_len) };
            let taken = tls.writer().write(octets)?;
            if taken < octets.len() {
                piece.iov_base = octets[taken..].as_ptr() as *mut _;
                piece.iov_len -= taken;
                break;
            }
            *next += 1;
        }
        if *next == out.len() {
            out.clear();
            *next = 0;
        }
        if !tls.wants_write() {
            return Ok(left_us);
        }
        while tls.wants_write() {
            match tls.write_tls(&mut Socket { fd, sends }) {
                Ok(n) => left_us += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(left_us),
                Err(e) if e.raw_os_error() == Some(libc::ENOTCONN) => return Ok(left_us),
                Err(e) => return Err(e),
            }
        }
        if out.is_empty() {
            return Ok(left_us);
        }
    }
}

/// Accepts every certificate; checks the signature, as a client does.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
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
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
