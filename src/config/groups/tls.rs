//! TLS, for all listeners.
use super::CertificateFiles;
use crate::config::tls::Tls;

/// How STARTTLS is offered, and the certificates of all listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Only for listeners where TLS does not begin with the first octet.
    pub mode: Tls,
    /// For every listener that has no files of its own.
    pub files: CertificateFiles,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings { mode: Tls::Off, files: CertificateFiles::default() }
    }
}

impl From<Tls> for TlsSettings {
    fn from(mode: Tls) -> TlsSettings {
        TlsSettings { mode, ..TlsSettings::default() }
    }
}
