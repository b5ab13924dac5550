//! A MIME part, as in `--json`.
use serde::Serialize;

use crate::mime::part::{Part, PartKind};

/// A part of a message. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct PartRow {
    /// The number of the part, from 1; 1 is the message itself.
    pub number: usize,
    /// The number of enclosing multiparts and messages.
    pub depth: usize,
    /// The content type, such as `text/plain`.
    pub content_type: String,
    /// The charset that the part declares; null if it declares none.
    pub charset: Option<String>,
    /// The disposition, such as `attachment`; null if it has none.
    pub disposition: Option<String>,
    /// The length after decoding the transfer encoding.
    pub decoded_bytes: usize,
    /// The file name that the sender chose; not safe as a path.
    pub file_name: Option<String>,
}

impl PartRow {
    /// Makes the row of a part. `number` counts from 1.
    pub fn new(number: usize, part: &Part<'_>) -> PartRow {
        PartRow {
            number,
            depth: part.depth,
            content_type: part.content_type.clone(),
            charset: part.charset.clone(),
            disposition: part.disposition.clone(),
            decoded_bytes: decoded_bytes(part),
            file_name: part.file_name.clone(),
        }
    }
}

/// Returns the decoded length of the content; 0 for a multipart, whose content is its parts.
pub fn decoded_bytes(part: &Part<'_>) -> usize {
    match part.kind {
        PartKind::Multipart => 0,
        PartKind::Leaf | PartKind::Message => part.content().len(),
    }
}
