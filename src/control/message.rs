//! Requests and answers of the control socket.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limit on the size of a request, in octets; real ones have a few dozen.
pub(super) const REQUEST_BYTES_MAX: usize = 4096;

/// A request to sinkd: a JSON object on one line, tagged by `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Reads the settings again, and puts in force those that can change.
    Reload,
    /// Returns the listeners, and the certificate that each presents. Changes nothing.
    Listeners,
}

/// A listener of a running sinkd, in [`Answer::Listeners`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerAnswer {
    /// The address with prefixes and the actual port, such as `smtps:127.0.0.1:465`.
    pub address: String,
    /// How its sessions begin TLS.
    pub tls: ListenerTlsAnswer,
    /// The file of the certificate that it presents; `None`: sinkd's own certificate, or no TLS.
    pub certificate: Option<PathBuf>,
}

/// How the sessions of a listener begin TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerTlsAnswer {
    /// Sessions of this listener have no TLS.
    Off,
    /// By STARTTLS, if the client chooses to.
    Offered,
    /// By STARTTLS, which is required before mail.
    Required,
    /// With the first octet of the connection.
    Implicit,
}

/// An answer of sinkd: a JSON object on one line, tagged by `result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Answer {
    /// A new generation of the settings is in force.
    Reloaded {
        /// The number of the new generation. sinkd starts with 1.
        generation: u32,
        /// Names of the settings that have a new value now, such as `limits.errors_max`.
        changed: Vec<String>,
        /// Settings whose new values take effect only when sinkd is restarted.
        needs_restart: Vec<String>,
    },
    /// The answer to [`Request::Listeners`].
    Listeners {
        /// All listeners, in the order of the settings.
        listeners: Vec<ListenerAnswer>,
    },
    /// The request failed, and nothing has changed.
    Error {
        /// Why: a sentence without a period.
        message: String,
    },
}

/// Why a client's line is not a request. Its text is sent in [`Answer::Error`].
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The line does not end within the limit.
    #[error("a request has at most {REQUEST_BYTES_MAX} octets")]
    Long,
    /// The line is not JSON, or not a known command.
    #[error(
        "expected a request such as {{\"command\":\"reload\"}}, found '{}' ({cause})",
        .found.escape_debug()
    )]
    Syntax {
        /// The beginning of the line: up to 80 octets.
        found: String,
        cause: serde_json::Error,
    },
}

impl Request {
    /// Parses a line without its line end.
    pub(super) fn parse(line: &[u8]) -> Result<Request, RequestError> {
        serde_json::from_slice(line).map_err(|cause| {
            let found = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
            RequestError::Syntax { found, cause }
        })
    }
}

/// Returns `value` as JSON on one line, with its line feed.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("numbers and text always have a form");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_of_json() {
        assert_eq!(line(&Request::Reload), b"{\"command\":\"reload\"}\n");
        let reloaded = Answer::Reloaded {
            generation: 2,
            changed: vec!["limits.errors_max".into()],
            needs_restart: vec![],
        };
        let text = concat!(
            r#"{"result":"reloaded","generation":2,"#,
            r#""changed":["limits.errors_max"],"needs_restart":[]}"#
        );
        assert_eq!(String::from_utf8(line(&reloaded)).unwrap().trim_end(), text);
        assert_eq!(serde_json::from_str::<Answer>(text).unwrap(), reloaded);
    }

    #[test]
    fn an_invalid_request_is_named_in_the_error() {
        let request = Request::parse(b"{\"command\":\"reload\",\"later\":1}");
        assert_eq!(request.unwrap(), Request::Reload);
        for line in [&b""[..], b"reload", b"{}", b"{\"command\":\"x\"}", b"\xff\r", b"[[[[["] {
            let error = Request::parse(line).unwrap_err().to_string();
            assert!(error.starts_with("expected a request such as"), "{error}");
            assert!(!error.contains('\r'));
        }
    }
}
