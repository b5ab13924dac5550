//! A message as a row.
use serde::Serialize;

use super::contents::Contents;
use super::envelope_row::EnvelopeRow;

/// A message in a listing: the table *message* in docs/json.md. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct MessageRow {
    /// The name of the folder; the key is absent if the caller gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The envelope, and how the message was received.
    #[serde(flatten)]
    pub envelope: EnvelopeRow,
    /// What is known of the content, which depends on where it is read from.
    #[serde(flatten)]
    pub contents: Contents,
}
