//! Checks whether the content of a message is what `sinkctl blast` sent (docs/blast.md, *What every
//! message carries*).
use crc_fast::crc32_iscsi;

use crate::mime::header::fields;

/// The header field with the CRC-32C of the content, which `sinkctl blast` writes.
const CHECKSUM_FIELD: &str = "X-Content-CRC32C";

/// Whether a message has the content that its checksum was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentCheck {
    /// The content has the checksum that the field names.
    Same,
    /// The content does not match.
    Changed {
        /// The checksum of the stored content, in hexadecimal.
        found: String,
        /// The value of the field as it was received, unfolded.
        field: String,
    },
    /// The message has no such field.
    WithoutChecksum,
}

impl ContentCheck {
    /// Checks `message`, whole and with its dots unstuffed. Reads it once.
    pub fn of(message: &[u8]) -> ContentCheck {
        let Some(field) = fields(message).find(|field| field.is_named(CHECKSUM_FIELD)) else {
            return ContentCheck::WithoutChecksum;
        };
        let end = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4);
        let found = format!("{:08x}", crc32_iscsi(&message[end..]));
        let field = String::from_utf8_lossy(&field.unfolded()).into_owned();
        if field.eq_ignore_ascii_case(&found) {
            ContentCheck::Same
        } else {
            ContentCheck::Changed { found, field }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_held_to_its_checksum() {
        let of = |text: &str| ContentCheck::of(text.as_bytes());
        assert_eq!(of("X-Content-CRC32C: e3069283\r\n\r\n123456789"), ContentCheck::Same);
        let changed = of("A: b\r\nx-content-crc32c: e3069283\r\n\r\n12345678");
        assert!(matches!(changed, ContentCheck::Changed { field, .. } if field == "e3069283"));
        assert_eq!(of("A: b\r\n\r\n123456789"), ContentCheck::WithoutChecksum);
        assert!(matches!(of("X-Content-CRC32C: 00000000"), ContentCheck::Same));
    }
}
