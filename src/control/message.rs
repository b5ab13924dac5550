//! Requests and answers of the control socket.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What sinkd is asked for: a JSON object a line, named by `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Read the settings again, and put in force what can change.
    Reload,
    /// Say what is listened on, and which certificate is shown there. Changes nothing.
    Listeners,
}

/// A listener of a running sinkd, in [`Answer::Listeners`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerAnswer {
    /// Its address with its prefixes and the real port, such as `smtps:127.0.0.1:465`.
    pub address: String,
    /// How its sessions come to TLS.
    pub tls: ListenerTlsAnswer,
    /// The file of the certificate that it shows; `None`: sinkd's own, or it has no TLS.
    pub certificate: Option<PathBuf>,
}

/// How the sessions of a listener come to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerTlsAnswer {
    /// Not at all.
    Off,
    /// By STARTTLS, if the client wants to.
    Offered,
    /// By STARTTLS, before mail.
    Required,
    /// From the first byte.
    Implicit,
}

/// What sinkd answers: a JSON object a line, named by `result`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Answer {
    /// A new generation of the settings is in force.
    Reloaded {
        /// Its number. 1 is what sinkd started with.
        generation: u32,
        /// Settings that are different now.
        changed: Vec<String>,
        /// Settings that were changed, and stay as they were until sinkd is started again.
        needs_restart: Vec<String>,
    },
    /// What is listened on.
    Listeners {
        /// In the order of the settings.
        listeners: Vec<ListenerAnswer>,
    },
    /// Nothing has changed.
    Error {
        /// Why not: a sentence without a period.
        message: String,
    },
}

impl Request {
    /// Reads a line, without its end. The error is a sentence.
    pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
        serde_json::from_slice(line).map_err(|error| {
            let found = String::from_utf8_lossy(&line[..line.len().min(80)]);
            format!(
                "expected a request such as {{\"command\":\"reload\"}}, found '{}' ({error})",
                found.escape_debug()
            )
        })
    }
}

/// `value` as a line.
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
    fn what_is_no_request_is_named() {
        assert_eq!(Request::parse(b"{\"command\":\"reload\",\"later\":1}"), Ok(Request::Reload));
        for line in [&b""[..], b"reload", b"{}", b"{\"command\":\"x\"}", b"\xff\r", b"[[[[["] {
            let error = Request::parse(line).unwrap_err();
            assert!(error.starts_with("expected a request such as"), "{error}");
            assert!(!error.contains('\r'));
        }
    }
}
