//! Opens a session: the greeting, EHLO, STARTTLS and AUTH, in this order.
//!
//! ```text
//! greeting ─▶ EHLO ─▶ STARTTLS ─▶ (handshake) ─▶ EHLO ─▶ AUTH ⇄ 334 ─▶ Ready
//! ```
use super::announced::Announced;
use super::code::ReplyCode;
use super::options::{Options, StartTls};
use super::outbox::Outbox;
use super::reply::ReplyLine;
use super::watch::{Phase, SessionFault};
use crate::smtp::limits::Protocol;
use crate::smtp::sasl::{Account, ClientExchange};

/// Replaces server text that must not be shown.
const TEXT_LEFT_OUT: &[u8] = b"(the server's text repeats the credentials, and is left out)";

/// What to do after a reply to the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpeningStep {
    /// A command was queued; the next reply answers this phase.
    Sent(Phase),
    /// Start the TLS handshake.
    Handshake,
    /// Messages can be sent.
    Done,
    /// The session has failed.
    Failed(SessionFault),
}

/// The command with which the session introduces itself to an SMTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HelloVerb {
    #[default]
    Ehlo,
    /// The server refused EHLO.
    Helo,
}

/// Whether the session may still send STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum StartTlsTurn {
    #[default]
    Ahead,
    /// The handshake is done, or the server refused STARTTLS.
    Past,
}

/// Progress of the opening.
#[derive(Debug, Default)]
pub(super) struct SessionOpening {
    pub announced: Announced,
    /// Number of EHLO reply lines so far.
    hello_lines: usize,
    hello_verb: HelloVerb,
    start_tls: StartTlsTurn,
    exchange: Option<ClientExchange>,
}

impl SessionOpening {
    /// Reads a line of the EHLO reply.
    pub fn hello_line(&mut self, line: &ReplyLine<'_>) {
        // The first line names the server.
        if self.hello_lines > 0 && line.code.is_positive() && self.hello_verb == HelloVerb::Ehlo {
            self.announced.take(line.text);
        }
        self.hello_lines += 1;
    }

    /// Handles a reply to the opening. `text` is the text of its last line.
    pub fn reply(
        &mut self,
        (phase, code): (Phase, ReplyCode),
        text: &[u8],
        options: &Options,
        outbox: &mut Outbox,
    ) -> OpeningStep {
        let is_positive = code.is_positive();
        let is_lmtp = options.protocol == Protocol::Lmtp;
        match phase {
            Phase::Greeting if is_positive => self.hello(options, outbox),
            Phase::Hello if is_positive => self.after_hello(options, outbox),
            // RFC 5321 section 3.2: the server does not support EHLO.
            Phase::Hello
                if code.is_permanent() && self.hello_verb == HelloVerb::Ehlo && !is_lmtp =>
            {
                self.hello_verb = HelloVerb::Helo;
                self.hello(options, outbox)
            }
            Phase::StartTls => self.start_tls_reply(code, options, outbox),
            Phase::Auth => self.auth_reply(code, text, options, outbox),
            _ => refused(phase, code),
        }
    }

    /// Continues after the TLS handshake. Discards everything that the server announced before (RFC
    /// 3207 section 4.2).
    pub fn secured(&mut self, options: &Options, outbox: &mut Outbox) -> OpeningStep {
        *self = SessionOpening { start_tls: StartTlsTurn::Past, ..SessionOpening::default() };
        self.hello(options, outbox)
    }

    /// Returns `text`, or a placeholder if it repeats credentials.
    pub fn shown<'a>(&self, text: &'a [u8], options: &Options) -> &'a [u8] {
        let is_secret = match (&self.exchange, &options.account) {
            (Some(exchange), Some(account)) => exchange.is_repeated_in(text, account),
            _ => false,
        };
        if is_secret { TEXT_LEFT_OUT } else { text }
    }

    fn hello(&mut self, options: &Options, outbox: &mut Outbox) -> OpeningStep {
        self.hello_lines = 0;
        let verb: &[u8] = match options.protocol {
            Protocol::Lmtp => b"LHLO ",
            _ if self.hello_verb == HelloVerb::Helo => b"HELO ",
            _ => b"EHLO ",
        };
        outbox.text(verb);
        outbox.text(options.name.as_bytes());
        outbox.text(b"\r\n");
        OpeningStep::Sent(Phase::Hello)
    }

    fn after_hello(&mut self, options: &Options, outbox: &mut Outbox) -> OpeningStep {
        match options.start_tls {
            StartTls::Offered | StartTls::Required if self.start_tls == StartTlsTurn::Past => {}
            StartTls::Offered | StartTls::Required if self.announced.starttls => {
                outbox.text(b"STARTTLS\r\n");
                return OpeningStep::Sent(Phase::StartTls);
            }
            StartTls::Required => return OpeningStep::Failed(SessionFault::NoStartTls),
            StartTls::Never | StartTls::Offered => {}
        }
        self.authenticate(options, outbox)
    }

    fn start_tls_reply(
        &mut self,
        code: ReplyCode,
        options: &Options,
        outbox: &mut Outbox,
    ) -> OpeningStep {
        let phase = Phase::StartTls;
        match code.number() {
            220 => OpeningStep::Handshake,
            // RFC 3207 section 4: the client decides whether to continue without TLS.
            400.. if options.start_tls == StartTls::Offered && code != ReplyCode::CLOSING => {
                self.start_tls = StartTlsTurn::Past;
                self.authenticate(options, outbox)
            }
            400.. => refused(phase, code),
            _ => OpeningStep::Failed(SessionFault::Unexpected { phase, code }),
        }
    }

    fn authenticate(&mut self, options: &Options, outbox: &mut Outbox) -> OpeningStep {
        let Some(account) = &options.account else { return OpeningStep::Done };
        match account.choose(|mechanism| self.announced.has_mechanism(mechanism)) {
            Some(mechanism) => {
                outbox.compose(|text| {
                    self.exchange = Some(ClientExchange::begin(mechanism, account, text));
                });
                OpeningStep::Sent(Phase::Auth)
            }
            None if self.announced.starttls && options.start_tls == StartTls::Never => {
                OpeningStep::Failed(SessionFault::NoMechanismBeforeTls)
            }
            None => OpeningStep::Failed(SessionFault::NoMechanism),
        }
    }

    fn auth_reply(
        &mut self,
        code: ReplyCode,
        text: &[u8],
        options: &Options,
        outbox: &mut Outbox,
    ) -> OpeningStep {
        let phase = Phase::Auth;
        match code.number() {
            334 => match self.respond(text, options.account.as_deref(), outbox) {
                Ok(()) => OpeningStep::Sent(phase),
                Err(fault) => OpeningStep::Failed(fault),
            },
            235 => {
                self.exchange = None;
                OpeningStep::Done
            }
            400.. => refused(phase, code),
            _ => OpeningStep::Failed(SessionFault::Unexpected { phase, code }),
        }
    }

    fn respond(
        &mut self,
        challenge: &[u8],
        account: Option<&Account>,
        outbox: &mut Outbox,
    ) -> Result<(), SessionFault> {
        let exchange = self.exchange.as_mut().expect("AUTH was sent");
        let account = account.expect("AUTH was sent with it");
        let mut result = Ok(());
        outbox.compose(|text| result = exchange.respond(challenge, account, text));
        result.map_err(SessionFault::Challenge)
    }
}

fn refused(phase: Phase, code: ReplyCode) -> OpeningStep {
    OpeningStep::Failed(SessionFault::Refused { phase, code })
}
