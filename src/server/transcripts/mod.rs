//! Transcripts: dialogues written to files, with secrets left out.
//!
//! Workers pass what clients and server sent to the `transcript` thread, and never wait for it.
//! This folder doesn't know connections or sessions: it receives octets in either direction.
mod redact;
mod transcript;

pub use transcript::TranscriptError;
pub(super) use transcript::{SessionIdentity, Transcript, Transcripts};
