//! The TLS settings of a sender.
use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use super::clients::ClientRoots;
use super::identity::Identity;
use super::provider::provider;
use super::sessions_kept::KeptSessions;

/// Which servers a sender trusts.
#[derive(Debug, Clone)]
pub enum ServerTrust {
    /// Any server: the connection is encrypted, but the server is not authenticated.
    Anyone,
    /// Servers whose certificate has the requested name and was signed by one of these CAs.
    SignedBy(ClientRoots),
}

/// Whether a sender resumes earlier sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionReuse {
    /// Connections of the same connector share sessions.
    Shared,
    /// Every handshake is a full one.
    Never,
}

/// The TLS settings of a sender; cheap to clone.
#[derive(Clone)]
pub struct Connector(Arc<ConnectorParts>);

struct ConnectorParts {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why a connector can't be created.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The name can't be in a certificate.
    #[error("expected a host name or an IP address, found '{0}'")]
    Name(String),
    /// The system has no random numbers, or its cryptography does not work.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").field(&self.0.name).finish()
    }
}

impl Connector {
    /// Creates settings for TLS 1.2 and 1.3 that request the server `name` (by SNI, unless it is an
    /// address) and trust it as `trust` says. They present `identity` if the server requests a
    /// certificate.
    pub fn new(
        name: &str,
        trust: &ServerTrust,
        identity: Option<&Identity>,
        reuse: SessionReuse,
    ) -> Result<Connector, ConnectorError> {
        Connector::with_versions(name, trust, identity, reuse, &[&TLS13, &TLS12])
    }

    /// Creates the same settings for some versions only.
    pub(super) fn with_versions(
        name: &str,
        trust: &ServerTrust,
        identity: Option<&Identity>,
        reuse: SessionReuse,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Connector, ConnectorError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| ConnectorError::Name(name.to_owned()))?;
        let setup = |error: Error| ConnectorError::Setup(error.to_string());
        // AWS-LC gathers randomness for 50 ms on first use, which should not delay a handshake.
        let random = provider().secure_random.fill(&mut [0; 1]);
        random.map_err(|error| setup(Error::from(error)))?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(setup)?;
        let builder = match trust {
            ServerTrust::SignedBy(roots) => builder.with_root_certificates(roots.store()),
            ServerTrust::Anyone => {
                let anyone = Arc::new(Anyone(provider()));
                builder.dangerous().with_custom_certificate_verifier(anyone)
            }
        };
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certified = (*identity.certified_key()).clone();
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        };
        config.resumption = match reuse {
            SessionReuse::Shared => Resumption::store(Arc::new(KeptSessions::new())),
            SessionReuse::Never => Resumption::disabled(),
        };
        // `Records` takes over the keys after the handshake.
        config.enable_secret_extraction = true;
        Ok(Connector(Arc::new(ConnectorParts { config: Arc::new(config), name })))
    }

    /// Returns the settings for rustls, and the name to request.
    pub(super) fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (self.0.config.clone(), self.0.name.clone())
    }
}

/// Accepts every certificate. Signatures of the handshake are still verified, so the peer has the
/// key of the certificate that it presents.
struct Anyone(Arc<CryptoProvider>);

impl fmt::Debug for Anyone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anyone")
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
