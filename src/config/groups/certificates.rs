//! The files of certificates, of one listener or of all.
use std::path::{Path, PathBuf};

use crate::config::tls::ClientCerts;

/// The files that a listener presents, and those with which it verifies its clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificate file, with the chain; `None`: sinkd makes a certificate.
    pub cert: Option<PathBuf>,
    /// Private key file of the certificate. One without the other is refused.
    pub key: Option<PathBuf>,
    /// File of the CAs that sign client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for certificates; `None`: optional if `client_ca` is set.
    pub client_certs: Option<ClientCerts>,
}

impl CertificateFiles {
    /// Returns the files that are set.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key, &self.client_ca].into_iter().flatten().map(PathBuf::as_path)
    }
}
