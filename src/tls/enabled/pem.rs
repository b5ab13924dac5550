//! Reading and writing PEM (RFC 7468).
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::parse;

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct PemContents {
    pub certificates: Vec<CertificateDer<'static>>,
    pub keys: Vec<PrivateKeyDer<'static>>,
    /// Why reading stopped before the end of the file.
    pub damage: Option<String>,
    /// Whether it has a key that needs a password.
    pub is_encrypted: bool,
    /// The kind of content, if it is not text.
    pub binary: Option<Binary>,
}

/// The kind of content of a file that is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    /// A certificate in DER.
    Certificate,
    /// A key in DER.
    Key,
    /// Something else in DER: usually both, in PKCS #12.
    Other,
}

/// Length of a line of base64 (RFC 7468 section 2).
const LINE_CHARS: usize = 64;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// The first octets of a certificate or key in DER: a sequence whose length has two octets, or one.
const DER_STARTS: [&[u8]; 2] = [b"\x30\x82", b"\x30\x81"];

/// Reads every certificate and key of a file, and skips other sections (curve parameters,
/// requests).
pub(super) fn read(text: &[u8]) -> PemContents {
    // Windows editors write a byte order mark.
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut contents = PemContents {
        is_encrypted: holds(text, b"ENCRYPTED"),
        binary: DER_STARTS.iter().any(|start| text.starts_with(start)).then(|| binary(text)),
        ..PemContents::default()
    };
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        match section {
            Ok((SectionKind::Certificate, der)) => contents.certificates.push(der.into()),
            Ok((kind, der)) => contents.keys.extend(PrivateKeyDer::from_pem(kind, der)),
            Err(error) => {
                contents.damage = Some(error.to_string());
                break;
            }
        }
    }
    contents
}

fn binary(der: &[u8]) -> Binary {
    match (parse(der), PrivateKeyDer::try_from(der)) {
        (Ok(_), _) => Binary::Certificate,
        (_, Ok(_)) => Binary::Key,
        _ => Binary::Other,
    }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// Returns a PEM section with `label`.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(LINE_CHARS) {
        text.extend(line.iter().map(|octet| char::from(*octet)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_of_any_length_reads_back() {
        for length in [0, 1, 47, 48, 49, 95, 96, 97, 1000] {
            let der: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let text = encode("CERTIFICATE", &der);
            assert!(text.lines().all(|line| line.len() <= LINE_CHARS), "{text}");
            let read = read(text.as_bytes());
            assert_eq!(read.certificates, [CertificateDer::from(der)], "{text}");
            assert!(read.damage.is_none() && read.keys.is_empty());
        }
    }
}
