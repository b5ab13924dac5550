//! Names of agreed parameters, as they are stored.
use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, SupportedCipherSuite};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Limit on the length of a stored subject.
const SUBJECT_BYTES_MAX: usize = 1024;

/// TLS 1.2, as OpenSSL spells it.
pub const TLS_1_2: &str = "TLSv1.2";
/// TLS 1.3, as OpenSSL spells it.
pub const TLS_1_3: &str = "TLSv1.3";

/// Returns a version as OpenSSL spells it.
pub(super) fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => TLS_1_3,
        Some(ProtocolVersion::TLSv1_2) => TLS_1_2,
        _ => "unknown",
    }
}

/// Returns a cipher suite as IANA spells it.
pub(super) fn cipher(suite: SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name,
    }
}

/// Returns the subject of a certificate, for example `C=DE, CN=client.example`. Control characters,
/// which its owner may have put there, are replaced.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return String::new();
    };
    let mut subject: String = certificate
        .subject()
        .to_string()
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    let mut bytes = SUBJECT_BYTES_MAX.min(subject.len());
    while !subject.is_char_boundary(bytes) {
        bytes -= 1;
    }
    subject.truncate(bytes);
    subject
}
