//! What a listener says and allows, encoded once for all of its sessions.
use std::sync::Arc;

use super::envelope::{self, Tag, append_field};
use super::extension::{Extension, Extensions};
use super::limits::{Protocol, SessionLimits, Syntax};
use super::sasl::{Mechanism, Users};
use super::xclient::Attribute;

/// The largest number LIMITS can announce: six digits (RFC 9422 4). A higher bound is announced as
/// this.
const ANNOUNCED_LIMIT_MAX: u32 = 999_999;

/// Whether and how clients authenticate.
#[derive(Debug, Clone)]
pub struct AuthRules {
    /// Who is believed.
    pub mode: AuthMode,
    /// MAIL waits for it.
    pub is_required: bool,
    /// It waits for TLS.
    pub under_tls_only: bool,
}

/// Who is believed.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// Each client, whatever it says.
    Any,
    /// Those of a list.
    Users(Arc<Users>),
    /// No client: 535.
    Reject,
    /// No client for now: 454.
    Defer,
}

/// How the sessions of a listener come to TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsUse {
    /// Not at all: STARTTLS gets 502.
    #[default]
    Off,
    /// STARTTLS is announced (RFC 3207).
    Offered,
    /// STARTTLS is announced, and mail waits for it.
    Required,
    /// From the first octet on (RFC 8314).
    Implicit,
}

/// Whom a reply to EHLO is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EhloAudience {
    /// It may send XCLIENT.
    pub is_trusted: bool,
    /// It is under TLS.
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

/// What a policy is made of.
#[derive(Debug, Clone)]
pub struct PolicyOptions {
    /// What is spoken.
    pub protocol: Protocol,
    /// How the server names itself: printable, without spaces.
    pub hostname: String,
    /// Connections begin with a PROXY header.
    pub is_proxied: bool,
    /// Clients that are trusted may send XCLIENT.
    pub has_xclient: bool,
    /// What stands after 220, line by line, in place of the name and what is spoken.
    pub greeting: Option<String>,
    /// The extensions that are offered, in the order in which EHLO announces them.
    pub extensions: Vec<Extension>,
    /// The bounds of a session.
    pub limits: SessionLimits,
    /// The listener's address as configured, for the envelope.
    pub listener: String,
    /// The listener's name, for the envelope; empty: it has none.
    pub listener_name: String,
    /// The sink's name, for the envelope and the reply that names a message; empty: it has none.
    pub sink_name: String,
    /// NOOP may name marks and runs (see [`super::moment`]).
    pub noop_marks: bool,
    /// What becomes of commands that break the grammar.
    pub syntax: Syntax,
    /// `None`: AUTH is not offered.
    pub auth: Option<AuthRules>,
    /// How sessions come to TLS.
    pub tls: TlsUse,
    /// Which generation of the settings it belongs to.
    pub generation: u32,
    /// The listener's index among those of its generation.
    pub index: usize,
}

impl PolicyOptions {
    /// SMTP with all extensions, and without anything that is optional.
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
            listener_name: String::new(),
            sink_name: String::new(),
            noop_marks: false,
            syntax: Syntax::Lenient,
            auth: None,
            tls: TlsUse::Off,
            generation: 0,
            index: 0,
        }
    }
}

/// Immutable, shared by all sessions of a listener; holds what is encoded once.
#[derive(Debug)]
pub struct Policy {
    /// How the server names itself.
    pub hostname: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Connections begin with a PROXY header.
    pub is_proxied: bool,
    /// Clients that are trusted may send XCLIENT.
    pub has_xclient: bool,
    /// The bounds of a session.
    pub limits: SessionLimits,
    /// The listener's address as configured.
    pub listener: String,
    /// NOOP may name marks and runs (see [`super::moment`]).
    pub noop_marks: bool,
    /// What becomes of commands that break the grammar.
    pub syntax: Syntax,
    /// Extensions that are not offered.
    pub without: Extensions,
    /// `None`: AUTH is not offered.
    pub auth: Option<AuthRules>,
    /// How sessions come to TLS.
    pub tls: TlsUse,
    /// Which generation of the settings it belongs to.
    pub generation: u32,
    /// The listener's index among those of its generation.
    pub index: usize,
    greeting: Vec<u8>,
    /// By [`EhloAudience::place`].
    ehlo_replies: [Vec<u8>; 4],
    helo_reply: Vec<u8>,
    envelope: Vec<u8>,
    accepted_end: Vec<u8>,
}

/// The policies of all listeners that are in force now. Sessions follow them between transactions.
#[derive(Debug, Default)]
pub struct PoliciesInForce {
    /// That of all `policies`.
    pub generation: u32,
    /// By listener.
    pub policies: Vec<Arc<Policy>>,
}

impl Policy {
    /// SMTP with all extensions.
    pub fn new(hostname: &str, listener: &str, limits: SessionLimits) -> Policy {
        Policy::from_options(PolicyOptions::new(hostname, listener, limits))
    }

    /// Encodes what every session of the listener says. The reply to LHLO is that to EHLO
    /// (RFC 2033 4.1).
    ///
    /// BINARYMIME needs CHUNKING (RFC 3030 3), so it is not offered without.
    pub fn from_options(mut options: PolicyOptions) -> Policy {
        if !options.extensions.contains(&Extension::Chunking) {
            options.extensions.retain(|extension| *extension != Extension::BinaryMime);
        }
        let without = Extensions::all_but(&options.extensions);
        Policy {
            greeting: greeting(&options),
            ehlo_replies: EhloAudience::ALL.map(|audience| ehlo_reply(&options, audience)),
            helo_reply: format!("250 {}\r\n", options.hostname).into_bytes(),
            envelope: envelope_start(&options),
            accepted_end: accepted_end(&options.sink_name),
            without,
            auth: options.auth,
            tls: options.tls,
            generation: options.generation,
            index: options.index,
            hostname: options.hostname,
            protocol: options.protocol,
            is_proxied: options.is_proxied,
            has_xclient: options.has_xclient,
            limits: options.limits,
            listener: options.listener,
            noop_marks: options.noop_marks,
            syntax: options.syntax,
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

    /// Returns whether domains must be fully qualified (RFC 6409 section 4.2).
    #[inline]
    pub fn is_submission(&self) -> bool {
        self.protocol == Protocol::Submission
    }

    /// 250 and the announced extensions (RFC 5321 4.1.1.1), with CRLF.
    pub fn ehlo_reply(&self, audience: EhloAudience) -> &[u8] {
        &self.ehlo_replies[audience.place()]
    }

    /// Returns whether `audience` is offered STARTTLS.
    pub fn announces_starttls(&self, audience: EhloAudience) -> bool {
        !audience.is_secure && matches!(self.tls, TlsUse::Offered | TlsUse::Required)
    }

    /// 250, with CRLF.
    pub fn helo_reply(&self) -> &[u8] {
        &self.helo_reply
    }

    /// The fields with which every envelope of the listener begins, encoded.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// What follows the message's name in the reply to it: the sink's name, and CRLF.
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
    // What may not be used is not announced.
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

/// A reply of as many lines as there are texts (RFC 5321 4.2.1).
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
        if !name.is_empty() {
            append_field(&mut out, tag, name.as_bytes());
        }
    }
    out
}

fn accepted_end(sink_name: &str) -> Vec<u8> {
    match sink_name {
        "" => b"\r\n".to_vec(),
        name => format!(" {name}\r\n").into_bytes(),
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
    fn a_greeting_of_one_s_own_may_have_several_lines() {
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
