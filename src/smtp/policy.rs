//! What a listener offers, announces and allows, encoded once for all of its sessions.
use std::sync::Arc;

use super::envelope::{self, Tag, append_field};
use super::extension::{Extension, Extensions};
use super::limits::{Protocol, SessionLimits, Syntax};
use super::sasl::{Mechanism, Users};
use super::xclient::Attribute;

/// The largest number that LIMITS can announce: six digits (RFC 9422 4). Higher limits are
/// announced as this number.
const ANNOUNCED_LIMIT_MAX: u32 = 999_999;

/// The AUTH rules of a listener.
#[derive(Debug, Clone)]
pub struct AuthRules {
    /// Which credentials are accepted.
    pub mode: AuthMode,
    /// Whether MAIL is rejected before AUTH.
    pub is_required: bool,
    /// Whether AUTH is offered only under TLS.
    pub under_tls_only: bool,
}

/// Which credentials are accepted.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// Any credentials.
    Any,
    /// The credentials of the users in a list.
    Users(Arc<Users>),
    /// No credentials: the reply is 535.
    Reject,
    /// No credentials at the moment: the reply is 454.
    Defer,
}

/// When the sessions of a listener use TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsUse {
    /// Never: STARTTLS is answered with 502.
    #[default]
    Off,
    /// After STARTTLS, which is announced (RFC 3207).
    Offered,
    /// After STARTTLS, which is announced and required before mail.
    Required,
    /// From the first octet (RFC 8314).
    Implicit,
}

/// The properties of a client on which the EHLO reply depends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EhloAudience {
    /// The client can send XCLIENT.
    pub is_trusted: bool,
    /// The session is under TLS.
    pub is_secure: bool,
}

impl EhloAudience {
    const ALL: [EhloAudience; 4] = [
        EhloAudience { is_trusted: false, is_secure: false },
        EhloAudience { is_trusted: true, is_secure: false },
        EhloAudience { is_trusted: false, is_secure: true },
        EhloAudience { is_trusted: true, is_secure: true },
    ];

    fn place(self) -> usize {
        usize::from(self.is_trusted) | usize::from(self.is_secure) << 1
    }
}

/// The settings from which a [`Policy`] is built.
#[derive(Debug, Clone)]
pub struct PolicyOptions {
    /// The protocol.
    pub protocol: Protocol,
    /// The server's host name: printable, without spaces.
    pub hostname: String,
    /// Connections begin with a PROXY header.
    pub is_proxied: bool,
    /// Trusted clients can send XCLIENT.
    pub has_xclient: bool,
    /// The text after 220, lines separated by LF; `None`: the host name and the protocol.
    pub greeting: Option<String>,
    /// The extensions offered, in the order in which EHLO announces them.
    pub extensions: Vec<Extension>,
    /// The limits of a session.
    pub limits: SessionLimits,
    /// The listener's address as configured, for the envelope.
    pub listener: String,
    /// The listener's name, for the envelope.
    pub listener_name: Option<String>,
    /// The sink's name, for the envelope and for the reply that names a message.
    pub sink_name: Option<String>,
    /// Whether clients can set marks and runs by NOOP (see [`super::mark_command`]).
    pub noop_marks: bool,
    /// How commands that break the grammar are treated.
    pub syntax: Syntax,
    /// The AUTH rules; `None`: AUTH is not offered.
    pub auth: Option<AuthRules>,
    /// When sessions use TLS.
    pub tls: TlsUse,
    /// The generation of the settings.
    pub generation: u32,
    /// The listener's index within the generation.
    pub index: usize,
}

impl PolicyOptions {
    /// Returns the options for SMTP with all extensions; everything optional is off.
    pub fn new(hostname: &str, listener: &str, limits: SessionLimits) -> PolicyOptions {
        PolicyOptions {
            protocol: Protocol::Smtp,
            hostname: hostname.into(),
            is_proxied: false,
            has_xclient: true,
            greeting: None,
            extensions: Extension::ALL.to_vec(),
            limits,
            listener: listener.into(),
            listener_name: None,
            sink_name: None,
            noop_marks: false,
            syntax: Syntax::Lenient,
            auth: None,
            tls: TlsUse::Off,
            generation: 0,
            index: 0,
        }
    }
}

/// The rules and encoded replies of a listener. Immutable, and shared by all of its sessions.
#[derive(Debug)]
pub struct Policy {
    options: PolicyOptions,
    /// Extensions that are not offered.
    pub without: Extensions,
    greeting: Vec<u8>,
    /// Indexed by [`EhloAudience::place`].
    ehlo_replies: [Vec<u8>; 4],
    helo_reply: Vec<u8>,
    envelope: Vec<u8>,
    accepted_end: Vec<u8>,
}

/// The policies of all listeners that are in force now. Sessions adopt them between transactions.
#[derive(Debug, Default)]
pub struct CurrentPolicies {
    /// The generation of all `policies`.
    pub generation: u32,
    /// Indexed by listener.
    pub policies: Vec<Arc<Policy>>,
}

impl Policy {
    /// Returns a policy for SMTP with all extensions.
    pub fn new(hostname: &str, listener: &str, limits: SessionLimits) -> Policy {
        Policy::from_options(PolicyOptions::new(hostname, listener, limits))
    }

    /// Encodes the replies and fields that all sessions of the listener share. LHLO gets the same
    /// reply as EHLO (RFC 2033 4.1).
    ///
    /// BINARYMIME requires CHUNKING (RFC 3030 3), so it is not offered without it.
    pub fn from_options(mut options: PolicyOptions) -> Policy {
        if !options.extensions.contains(&Extension::Chunking) {
            options.extensions.retain(|extension| *extension != Extension::BinaryMime);
        }
        let without = Extensions::all_except(&options.extensions);
        Policy {
            greeting: greeting(&options),
            ehlo_replies: EhloAudience::ALL.map(|audience| ehlo_reply(&options, audience)),
            helo_reply: format!("250 {}\r\n", options.hostname).into_bytes(),
            envelope: envelope_start(&options),
            accepted_end: accepted_end(options.sink_name.as_deref()),
            without,
            options,
        }
    }

    /// Returns the settings that the policy was built from, without BINARYMIME if CHUNKING is not
    /// offered.
    #[inline]
    pub fn options(&self) -> &PolicyOptions {
        &self.options
    }

    /// Returns the 220 greeting, including CRLF.
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// Returns whether the protocol is LMTP.
    pub fn is_lmtp(&self) -> bool {
        self.options.protocol == Protocol::Lmtp
    }

    /// Returns whether domains must be fully qualified (RFC 6409 section 4.2).
    #[inline]
    pub fn is_submission(&self) -> bool {
        self.options.protocol == Protocol::Submission
    }

    /// Returns 250 and the announced extensions (RFC 5321 4.1.1.1), including CRLF.
    pub fn ehlo_reply(&self, audience: EhloAudience) -> &[u8] {
        &self.ehlo_replies[audience.place()]
    }

    /// Returns whether STARTTLS is announced to `audience`.
    pub fn announces_starttls(&self, audience: EhloAudience) -> bool {
        !audience.is_secure && matches!(self.options.tls, TlsUse::Offered | TlsUse::Required)
    }

    /// Returns the 250 reply to HELO, including CRLF.
    pub fn helo_reply(&self) -> &[u8] {
        &self.helo_reply
    }

    /// Returns the encoded fields at the beginning of every envelope of the listener.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// Returns the end of the reply that names a message: the sink's name, if it has one, and CRLF.
    pub fn accepted_end(&self) -> &[u8] {
        &self.accepted_end
    }
}

fn greeting(options: &PolicyOptions) -> Vec<u8> {
    let name = match options.protocol {
        Protocol::Smtp | Protocol::Submission => "ESMTP",
        Protocol::Lmtp => "LMTP",
    };
    match &options.greeting {
        Some(text) => multiline("220", text.split('\n')),
        None => format!("220 {} {name} sinkd\r\n", options.hostname).into_bytes(),
    }
}

fn ehlo_reply(options: &PolicyOptions, audience: EhloAudience) -> Vec<u8> {
    let has_starttls = matches!(options.tls, TlsUse::Offered | TlsUse::Required);
    let starttls = (has_starttls && !audience.is_secure).then(|| "STARTTLS".to_owned());
    let xclient = audience.is_trusted.then(Attribute::announcement);
    let announced = options.extensions.iter().map(|extension| announcement(*extension, options));
    // AUTH is not announced where it would be refused.
    let may_auth = |auth: &&AuthRules| {
        audience.is_secure || !auth.under_tls_only && options.tls != TlsUse::Required
    };
    let auth = options.auth.as_ref().filter(may_auth).map(|_| {
        let names = Mechanism::ALL.map(Mechanism::name);
        format!("AUTH {}", names.join(" "))
    });
    let further = starttls.into_iter().chain(auth).chain(xclient);
    let lines = std::iter::once(options.hostname.clone()).chain(announced).chain(further);
    let lines: Vec<String> = lines.collect();
    multiline("250", lines.iter().map(String::as_str))
}

fn announcement(extension: Extension, options: &PolicyOptions) -> String {
    let limits = &options.limits;
    let announced = |limit: u32| limit.min(ANNOUNCED_LIMIT_MAX);
    match extension {
        Extension::Size => format!("SIZE {}", limits.message_bytes_max),
        Extension::Limits => {
            let mailmax = match limits.messages_max {
                Some(messages_max) => format!(" MAILMAX={}", announced(messages_max)),
                None => String::new(),
            };
            format!("LIMITS RCPTMAX={}{mailmax}", announced(limits.recipients_max))
        }
        other => other.keyword().to_owned(),
    }
}

/// Returns a reply with one line per text (RFC 5321 4.2.1).
fn multiline<'a>(code: &str, texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let texts: Vec<&str> = texts.collect();
    let line = |(number, text): (usize, &&str)| {
        let mark = if number + 1 == texts.len() { ' ' } else { '-' };
        format!("{code}{mark}{text}\r\n")
    };
    texts.iter().enumerate().map(line).collect::<String>().into_bytes()
}

fn envelope_start(options: &PolicyOptions) -> Vec<u8> {
    let mut out = Vec::new();
    append_field(&mut out, Tag::Version, &[envelope::VERSION]);
    append_field(&mut out, Tag::Listener, options.listener.as_bytes());
    for (tag, name) in
        [(Tag::ListenerName, &options.listener_name), (Tag::SinkName, &options.sink_name)]
    {
        if let Some(name) = name {
            append_field(&mut out, tag, name.as_bytes());
        }
    }
    out
}

fn accepted_end(sink_name: Option<&str>) -> Vec<u8> {
    match sink_name {
        None => b"\r\n".to_vec(),
        Some(name) => format!(" {name}\r\n").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(limits: SessionLimits) -> PolicyOptions {
        PolicyOptions::new("sink.example", "127.0.0.1:1025", limits)
    }

    fn text(octets: &[u8]) -> &str {
        std::str::from_utf8(octets).unwrap()
    }

    #[test]
    fn ehlo_reply_announces_the_limits() {
        let (messages_max, recipients_max) = (Some(7), 2_000_000);
        let limits = SessionLimits { messages_max, recipients_max, ..SessionLimits::default() };
        let policy = Policy::from_options(options(limits));
        let reply = text(policy.ehlo_reply(EhloAudience::default()));
        assert!(reply.starts_with("250-sink.example\r\n250-PIPELINING\r\n"));
        assert!(reply.contains("250-SIZE 104857600\r\n"));
        assert!(reply.contains("250-LIMITS RCPTMAX=999999 MAILMAX=7\r\n"));
        assert!(reply.ends_with("\r\n250 HELP\r\n"));
        assert_eq!(policy.greeting(), b"220 sink.example ESMTP sinkd\r\n");
        assert_eq!(policy.helo_reply(), b"250 sink.example\r\n");
        assert!(policy.without.is_empty());
        let trusted = text(policy.ehlo_reply(EhloAudience { is_trusted: true, is_secure: false }));
        assert!(trusted.ends_with(
            "\r\n250-HELP\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
        ));
    }

    #[test]
    fn starttls_is_announced_until_it_was_used() {
        for (tls, is_expected) in [
            (TlsUse::Off, false),
            (TlsUse::Offered, true),
            (TlsUse::Required, true),
            (TlsUse::Implicit, false),
        ] {
            let policy =
                Policy::from_options(PolicyOptions { tls, ..options(SessionLimits::default()) });
            for audience in EhloAudience::ALL {
                let is_announced = text(policy.ehlo_reply(audience)).contains("250 STARTTLS\r\n")
                    || text(policy.ehlo_reply(audience)).contains("250-STARTTLS\r\n");
                assert_eq!(is_announced, is_expected && !audience.is_secure, "{tls:?}");
                assert_eq!(policy.announces_starttls(audience), is_announced);
            }
        }
    }

    #[test]
    fn ehlo_announces_what_is_offered_in_the_order_given() {
        for (extensions, expected) in [
            (vec![Extension::Dsn, Extension::Size], "250-a\r\n250-DSN\r\n250 SIZE 104857600\r\n"),
            (vec![], "250 a\r\n"),
        ] {
            let mut options = options(SessionLimits::default());
            (options.hostname, options.extensions) = ("a".into(), extensions);
            assert_eq!(
                text(Policy::from_options(options).ehlo_reply(EhloAudience::default())),
                expected
            );
        }
    }

    #[test]
    fn a_custom_greeting_can_have_several_lines() {
        for (greeting, expected) in [
            ("****0****", "220 ****0****\r\n"),
            ("mx.example ESMTP\nno spam", "220-mx.example ESMTP\r\n220 no spam\r\n"),
        ] {
            let mut options = options(SessionLimits::default());
            options.greeting = Some(greeting.into());
            assert_eq!(text(Policy::from_options(options).greeting()), expected);
        }
    }
}
