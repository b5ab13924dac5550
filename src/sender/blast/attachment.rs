//! Attachments: files and generated data, encoded once.
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::random::{Purpose, Random};
use crate::machine::{BoundedFile, read_bounded};

/// Maximum size of an attachment in octets, before encoding.
pub const ATTACHMENT_BYTES_MAX: u64 = 48 << 20;

/// Octets that fill a base64 line of 76 characters (RFC 2045 section 6.8).
const LINE_BYTES: usize = 57;

/// Content types by extension; other files are `application/octet-stream`.
const TYPES: [(&str, &str); 16] = [
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// Why a file can't be attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// The file can't be read.
    #[error("{file}: cannot be read")]
    Io {
        /// The name of the file.
        file: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{file}: expected an attachment of at most 48M, found at least {bytes} bytes")]
    TooLarge {
        /// The name of the file.
        file: String,
        /// The size of the file, or how much of it was read.
        bytes: u64,
    },
    /// The name of the file can't be written into a header field.
    #[error("{file}: expected a file name of printable ASCII characters without quotes")]
    Name {
        /// The name of the file.
        file: String,
    },
}

/// A part of a message: header fields, empty line, and base64 in lines of 76 characters, each with
/// CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    part: Vec<u8>,
}

impl Attachment {
    /// Reads a file and attaches it under its name.
    pub fn read(path: &Path) -> Result<Attachment, AttachmentError> {
        let file = || path.display().to_string();
        let io = |source| AttachmentError::Io { file: file(), source };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_plain = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(AttachmentError::Name { file: file() });
        }
        match read_bounded(path, ATTACHMENT_BYTES_MAX).map_err(io)? {
            BoundedFile::Whole(octets) => Ok(Attachment::new(name, &octets)),
            BoundedFile::TooLarge(bytes) => Err(AttachmentError::TooLarge { file: file(), bytes }),
        }
    }

    /// Generates an attachment of `bytes` octets that don't compress; it depends only on the seed.
    ///
    /// `bytes`: up to [`ATTACHMENT_BYTES_MAX`].
    pub fn generated(seed: u64, bytes: u64) -> Attachment {
        let mut random = Random::new(seed, bytes, Purpose::Attachment);
        let words = (0..bytes.min(ATTACHMENT_BYTES_MAX).div_ceil(8)).map(|_| random.bits());
        let mut octets: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        octets.truncate(bytes as usize);
        Attachment::new("attachment.bin", &octets)
    }

    fn new(name: &str, octets: &[u8]) -> Attachment {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let known = TYPES.iter().find(|(of, _)| of.eq_ignore_ascii_case(extension));
        let media_type = known.map_or("application/octet-stream", |(_, media_type)| media_type);
        let header = format!(
            "Content-Type: {media_type};\r\n name=\"{name}\"\r\n\
             Content-Disposition: attachment;\r\n filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        let mut part = header.into_bytes();
        part.reserve(octets.len() / LINE_BYTES * 78 + 80);
        let mut line = [0; 76];
        for chunk in octets.chunks(LINE_BYTES) {
            let bytes = STANDARD.encode_slice(chunk, &mut line).expect("57 octets become 76");
            part.extend_from_slice(&line[..bytes]);
            part.extend_from_slice(b"\r\n");
        }
        Attachment { part }
    }

    /// Returns the whole part; see [`Attachment`].
    pub fn part(&self) -> &[u8] {
        &self.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(attachment: &Attachment) -> Vec<u8> {
        let text = String::from_utf8(attachment.part.clone()).unwrap();
        let (_, base64) = text.split_once("\r\n\r\n").unwrap();
        assert!(base64.split("\r\n").all(|line| line.len() <= 76));
        STANDARD.decode(base64.replace("\r\n", "")).unwrap()
    }

    #[test]
    fn a_file_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        for (name, media_type) in [
            ("a.pdf", "application/pdf"),
            ("a b.JPG", "image/jpeg"),
            ("a", "application/octet-stream"),
            ("a.x", "application/octet-stream"),
        ] {
            for bytes in [0, 1, 56, 57, 58, 1000] {
                let octets: Vec<u8> = (0..=255).cycle().take(bytes).collect();
                let path = folder.path().join(name);
                std::fs::write(&path, &octets).unwrap();
                let attachment = Attachment::read(&path).unwrap();
                assert_eq!(decoded(&attachment), octets, "{name} {bytes}");
                let header = String::from_utf8_lossy(attachment.part());
                assert!(header.contains(&format!("Content-Type: {media_type};")), "{header}");
                assert!(header.contains(&format!(" filename=\"{name}\"")), "{header}");
            }
        }
    }

    #[test]
    fn generated_attachments_have_the_requested_size() {
        for bytes in [0, 1, 7, 8, 9, 100_000] {
            assert_eq!(decoded(&Attachment::generated(1, bytes)).len() as u64, bytes);
        }
        assert_eq!(Attachment::generated(1, 99), Attachment::generated(1, 99));
        assert_ne!(Attachment::generated(1, 99), Attachment::generated(2, 99));
    }

    #[test]
    fn attachments_that_can_not_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let quoted = folder.path().join("a\"b.txt");
        std::fs::write(&quoted, b"x").unwrap();
        assert!(matches!(Attachment::read(&quoted), Err(AttachmentError::Name { .. })));
        let missing = Attachment::read(&folder.path().join("none")).unwrap_err();
        let missing = crate::wording::with_causes(&missing);
        assert!(missing.contains("none: cannot be read: No such file"), "{missing}");
    }
}
