//! The files of certificates, of one listener or of all.
use std::path::{Path, PathBuf};

use crate::config::tls::ClientCerts;

/// The certificate that a listener presents, and how it verifies its clients. In the options of a
/// listener, `None` means that the global setting applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificate file, with the chain; `None` in the global settings: sinkd makes a certificate.
    pub cert: Option<PathBuf>,
    /// Private key file of the certificate. One without the other is refused.
    pub key: Option<PathBuf>,
    /// File of the CAs that sign client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for certificates; `None` in the global settings: they are optional
    /// if a CA is configured.
    pub client_certs: Option<ClientCerts>,
}

impl CertificateFiles {
    /// Returns the files that are set.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key, &self.client_ca].into_iter().flatten().map(PathBuf::as_path)
    }
}
