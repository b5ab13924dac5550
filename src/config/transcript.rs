//! Which sessions a transcript is kept of: the setting `transcript_sessions`.
use std::fmt;
use std::str::FromStr;

/// Which sessions are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Every one.
    All,
    /// Those that met a 4xx or 5xx.
    Errors,
    /// One in this number, the first included; 2 or more.
    OneIn(u32),
}

/// Not one of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadSessions;

/// What the settings say that they expect.
pub const EXPECTED: &str = "all, errors, or 1/N with N from 2 to 4294967295";

impl FromStr for Sessions {
    type Err = BadSessions;

    fn from_str(text: &str) -> Result<Sessions, BadSessions> {
        match text {
            "all" => Ok(Sessions::All),
            "errors" => Ok(Sessions::Errors),
            _ => {
                let n = text.strip_prefix("1/").and_then(|n| n.parse().ok());
                n.filter(|n| *n >= 2).map(Sessions::OneIn).ok_or(BadSessions)
            }
        }
    }
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sessions::All => f.write_str("all"),
            Sessions::Errors => f.write_str("errors"),
            Sessions::OneIn(n) => write!(f, "1/{n}"),
        }
    }
}
