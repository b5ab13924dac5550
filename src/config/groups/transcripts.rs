//! Which dialogues are written to files.
use std::path::PathBuf;

use crate::config::transcript::TranscriptSessions;

/// Which dialogues are written to files, and where.
#[derive(Debug, Clone)]
pub struct TranscriptSettings {
    /// The folder of the files; `None`: no transcripts.
    pub folder: Option<PathBuf>,
    /// Which sessions are transcribed, if `folder` is set.
    pub sessions: TranscriptSessions,
}

impl Default for TranscriptSettings {
    fn default() -> TranscriptSettings {
        TranscriptSettings { folder: None, sessions: TranscriptSessions::All }
    }
}
