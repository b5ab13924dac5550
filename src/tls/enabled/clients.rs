//! Verifying certificates of clients.
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::digest::{DIGEST_BYTES, sha256};
use super::identity::certificates;
use super::identity_error::IdentityError;
use super::provider::provider;

/// The CAs that a listener or a sender trusts; cheap to clone.
#[derive(Clone)]
pub struct ClientRoots {
    roots: Arc<RootCertStore>,
    /// Digest of their certificates.
    digest: [u8; DIGEST_BYTES],
}

/// Whether a listener requests certificates of its clients.
#[derive(Debug, Clone)]
pub enum ClientCertificates {
    /// No certificate is requested.
    Off,
    /// A client can present a certificate signed by one of these CAs. A client that presents
    /// another one is refused.
    Optional(ClientRoots),
    /// A client must present a certificate signed by one of these CAs.
    Required(ClientRoots),
}

impl fmt::Debug for ClientRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientRoots({})", self.roots.len())
    }
}

impl ClientRoots {
    /// Reads CA certificates from the PEM file `path`.
    pub fn load(path: &Path) -> Result<ClientRoots, IdentityError> {
        let certificates = certificates(path)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| IdentityError::Certificate {
                path: path.into(),
                why: format!("expected the certificate of a CA ({error})"),
            })?;
        }
        let digest = sha256(certificates.iter().map(AsRef::as_ref));
        Ok(ClientRoots { roots: Arc::new(roots), digest })
    }

    /// Returns the CAs in the form that rustls uses.
    pub(super) fn store(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }
}

impl ClientCertificates {
    /// Returns the verifier for rustls.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let builder = |roots: &ClientRoots| {
            WebPkiClientVerifier::builder_with_provider(roots.roots.clone(), provider())
        };
        let built = match self {
            ClientCertificates::Off => return WebPkiClientVerifier::no_client_auth(),
            ClientCertificates::Optional(roots) => builder(roots).allow_unauthenticated().build(),
            ClientCertificates::Required(roots) => builder(roots).build(),
        };
        built.expect("a file of CAs has at least one, and no list of revocations is given")
    }

    /// Returns a digest that differs for settings that verify differently.
    pub(super) fn digest(&self) -> [u8; DIGEST_BYTES] {
        let (mode, roots): (&[u8], &[u8]) = match self {
            ClientCertificates::Off => (b"off", &[]),
            ClientCertificates::Optional(roots) => (b"optional", &roots.digest),
            ClientCertificates::Required(roots) => (b"required", &roots.digest),
        };
        sha256([mode, roots])
    }
}
