//! `[transcripts]`: transcripts of sessions.
use crate::config::setting::Setting;
use crate::config::transcript;
use crate::config::value::{parse_option, quoted, show_option};

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "transcripts",
        "transcript",
        "DIR",
        "Folder for transcripts of sessions as text, without mail data or secrets; created if it does not exist.",
        "a path, or 'none'",
        |c, v| {
            let folder = parse_option(v, |v| (!v.is_empty()).then(|| v.into()))?;
            c.transcripts.folder = folder;
            Some(())
        },
        |c| show_option(c.transcripts.folder.as_ref(), |t| quoted(&t.to_string_lossy()))
    ),
    key!(
        "transcripts",
        "transcript_sessions",
        "WHICH",
        "Sessions to transcribe: 'all', 'errors' (those with a 4xx or 5xx reply) or 1/N (one in N).",
        transcript::EXPECTED,
        |c, v| v.parse().ok().map(|s| c.transcripts.sessions = s),
        |c| quoted(&c.transcripts.sessions.to_string())
    ),
];
