//! A message as a row.
use serde::Serialize;

use super::contents::Contents;
use super::envelope_row::EnvelopeRow;

/// A message of a listing: the table *message* in docs/json.md. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
pub struct MessageRow {
    /// The folder's name; without the key where the caller named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The message's envelope.
    #[serde(flatten)]
    pub envelope: EnvelopeRow,
    /// What is written in it.
    #[serde(flatten)]
    pub contents: Contents,
}
