//! The setting `transcript_sessions`: which sessions are transcribed.
use std::fmt;
use std::str::FromStr;

/// Which sessions are transcribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranscriptSessions {
    /// Every session, from the greeting to the close.
    All,
    /// Sessions with a 4xx or 5xx reply.
    Errors,
    /// One session in this number (at least 2), starting with the first.
    OneIn(u32),
}

/// The text is not a valid choice of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadSessions;

/// The values that `transcript_sessions` expects, for errors.
pub const EXPECTED: &str = "'all', 'errors', or 1/N with N from 2 to 4294967295";

impl FromStr for TranscriptSessions {
    type Err = BadSessions;

    fn from_str(text: &str) -> Result<TranscriptSessions, BadSessions> {
        match text {
            "all" => Ok(TranscriptSessions::All),
            "errors" => Ok(TranscriptSessions::Errors),
            _ => {
                let n = text.strip_prefix("1/").and_then(|n| n.parse().ok());
                n.filter(|n| *n >= 2).map(TranscriptSessions::OneIn).ok_or(BadSessions)
            }
        }
    }
}

impl fmt::Display for TranscriptSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TranscriptSessions::All => f.write_str("all"),
            TranscriptSessions::Errors => f.write_str("errors"),
            TranscriptSessions::OneIn(n) => write!(f, "1/{n}"),
        }
    }
}
