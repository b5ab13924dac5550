//! What the server allows in a session, and what it announces: one `Policy` for each listener.

/// The largest number LIMITS can announce: six digits (RFC 9422 4). A higher bound is announced as
/// this.
const ANNOUNCED_LIMIT_MAX: u32 = 999_999;

/// What a listener speaks, or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What becomes of a command that breaks the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// It is accepted where it cannot be misread, and the session names the deviation (see
    /// [`super::lenient`]).
    Lenient,
    /// It is refused, as RFC 5321 has it.
    Strict,
}

/// Bounds of a session. `None` is "no bound".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Message bytes as RFC 1870 counts them (dots unstuffed, end of data left out); announced as
    /// SIZE.
    pub message_bytes_max: u64,
    /// Forward-paths in one transaction; announced as LIMITS RCPTMAX (RFC 9422).
    pub recipients_max: u32,
    /// Octets of one encoded envelope.
    pub envelope_bytes_max: usize,
    /// Octets of a command line, CRLF included.
    pub command_line_bytes_max: usize,
    /// 5xx replies in one session; in place of the next one comes 421.
    pub errors_max: Option<u32>,
    /// Accepted transactions in one session; announced as LIMITS MAILMAX.
    pub messages_max: Option<u32>,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            message_bytes_max: 100 << 20,
            recipients_max: 20_000,
            envelope_bytes_max: 2 << 20,
            command_line_bytes_max: 4096,
            errors_max: None,
            messages_max: None,
        }
    }
}

/// Immutable, shared by all sessions of a listener; holds the encoded greeting and EHLO reply.
#[derive(Debug)]
pub struct Policy {
    /// How the server names itself.
    pub hostname: String,
    pub protocol: Protocol,
    pub limits: SessionLimits,
    /// The listener's address as configured, for the envelope.
    pub listener: String,
    /// NOOP may name marks and runs (see [`super::moment`]).
    pub noop_marks: bool,
    /// What becomes of commands that break the grammar.
    pub syntax: Syntax,
    greeting: Vec<u8>,
    ehlo_reply: Vec<u8>,
    helo_reply: Vec<u8>,
}

impl Policy {
    /// Encodes what every session of the listener says. `hostname`: printable, without spaces.
    pub fn new(hostname: &str, listener: &str, limits: SessionLimits) -> Policy {
        Policy::of(Protocol::Smtp, hostname, listener, limits)
    }

    /// The same for a listener that speaks `protocol`. The reply to LHLO is that to EHLO
    /// (RFC 2033 4.1).
    pub fn of(protocol: Protocol, hostname: &str, listener: &str, limits: SessionLimits) -> Policy {
        let name = match protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        Policy {
            protocol,
            greeting: format!("220 {hostname} {name} sinkd\r\n").into_bytes(),
            ehlo_reply: ehlo_reply(hostname, &limits),
            helo_reply: format!("250 {hostname}\r\n").into_bytes(),
            hostname: hostname.into(),
            listener: listener.into(),
            noop_marks: false,
            syntax: Syntax::Lenient,
            limits,
        }
    }

    /// 220, with CRLF.
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// Returns whether the protocol is LMTP.
    pub fn is_lmtp(&self) -> bool {
        self.protocol == Protocol::Lmtp
    }

    /// 250 and the announced extensions (RFC 5321 4.1.1.1), with CRLF.
    pub fn ehlo_reply(&self) -> &[u8] {
        &self.ehlo_reply
    }

    /// 250, with CRLF.
    pub fn helo_reply(&self) -> &[u8] {
        &self.helo_reply
    }
}

fn ehlo_reply(hostname: &str, limits: &SessionLimits) -> Vec<u8> {
    let size = limits.message_bytes_max;
    let announced = |limit: u32| limit.min(ANNOUNCED_LIMIT_MAX);
    let rcptmax = announced(limits.recipients_max);
    let mailmax = match limits.messages_max {
        Some(messages_max) => format!(" MAILMAX={}", announced(messages_max)),
        None => String::new(),
    };
    format!(
        "250-{hostname}\r\n250-PIPELINING\r\n250-SIZE {size}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
         250-CHUNKING\r\n250-BINARYMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n\
         250-LIMITS RCPTMAX={rcptmax}{mailmax}\r\n250 HELP\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ehlo_reply_announces_the_limits() {
        let limits = SessionLimits {
            messages_max: Some(7),
            recipients_max: 2_000_000,
            ..SessionLimits::default()
        };
        let policy = Policy::new("sink.example", "127.0.0.1:1025", limits);
        let text = std::str::from_utf8(policy.ehlo_reply()).unwrap();
        assert!(text.starts_with("250-sink.example\r\n"));
        assert!(text.contains("250-SIZE 104857600\r\n"));
        assert!(text.contains("250-LIMITS RCPTMAX=999999 MAILMAX=7\r\n"));
        assert!(text.ends_with("\r\n250 HELP\r\n"));
        assert_eq!(policy.greeting(), b"220 sink.example ESMTP sinkd\r\n");
        assert_eq!(policy.helo_reply(), b"250 sink.example\r\n");
    }
}
