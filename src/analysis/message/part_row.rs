//! A MIME part, as `--json` has it.
use serde::Serialize;

use crate::mime::part::{Part, PartKind};

/// A part of a message. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct PartRow {
    /// Parts are numbered from 1.
    pub number: usize,
    /// Number of multiparts and messages around it.
    pub depth: usize,
    /// Such as `text/plain`.
    pub content_type: String,
    /// As the part names it.
    pub charset: Option<String>,
    /// Such as `attachment`.
    pub disposition: Option<String>,
    /// Length after its transfer encoding is removed.
    pub decoded_bytes: usize,
    /// As the sender chose it: not safe as a path.
    pub file_name: Option<String>,
}

impl PartRow {
    /// `number`: from 1.
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

/// Returns the bytes of content; a multipart has none beside its parts.
pub fn decoded_bytes(part: &Part<'_>) -> usize {
    match part.kind {
        PartKind::Multipart => 0,
        PartKind::Leaf | PartKind::Message => part.content().len(),
    }
}
