//! STARTTLS (RFC 3207), and rules that hold under TLS.
use super::Session;
use super::refusal::NotAccepted;
use super::state::{BeforeCommand, SessionState};
use super::step::{Question, Step};
use super::terms::Security;
use crate::smtp::grammar::Command;
use crate::smtp::policy::TlsUse;
use crate::smtp::reply;
use crate::smtp::tls::SessionTls;
use crate::smtp::workspace::Workspace;

impl Session {
    /// Returns whether the session is under TLS.
    pub fn is_secure(&self) -> bool {
        self.terms.security == Security::Secure
    }

    /// Returns whether TLS is required and has not begun.
    #[inline]
    pub(super) fn owes_tls(&self) -> bool {
        self.terms.options().tls == TlsUse::Required && !self.is_secure()
    }

    /// Returns whether connections to the session's listener begin with TLS.
    pub fn begins_with_tls(&self) -> bool {
        self.terms.options().tls == TlsUse::Implicit
    }

    /// Checks whether STARTTLS is allowed. If so, the caller decides, because only it knows whether
    /// there is capacity for another handshake.
    pub(super) fn starttls(&mut self) -> Result<Step, NotAccepted> {
        let refusal = match (&self.state, self.terms.options().tls) {
            _ if self.is_secure() => &reply::STARTTLS_TWICE,
            (_, TlsUse::Off | TlsUse::Implicit) if self.terms.security == Security::Plain => {
                &reply::NOT_IMPLEMENTED
            }
            (_, TlsUse::Off | TlsUse::Implicit) => &reply::TLS_UNAVAILABLE,
            (SessionState::Greeted, _) => self.terms.hello_first(),
            (SessionState::Open(_), _) => &reply::STARTTLS_NESTED,
            _ => return Ok(Step::Decide(Question::Tls)),
        };
        Err(NotAccepted::With(refusal))
    }

    /// Appends the reply after which the handshake begins. Input that the client sent earlier must
    /// not be fed (RFC 3207 section 6).
    #[cold]
    pub fn tls_begins(&mut self, workspace: &mut Workspace) {
        self.reply(&reply::TLS_READY, workspace);
    }

    /// Refuses STARTTLS for now; the session continues without TLS.
    #[cold]
    pub fn tls_is_unavailable(&mut self, workspace: &mut Workspace) {
        self.reply(&reply::TLS_UNAVAILABLE, workspace);
    }

    /// Starts the session over after the handshake. Everything that the client sent before is
    /// discarded (RFC 3207 section 4.2), but a client named by PROXY or XCLIENT stays.
    #[cold]
    pub fn secured(&mut self, tls: &SessionTls<'_>) {
        self.identity.start_over_under_tls(tls);
        self.state = SessionState::Greeted;
        self.before_command = BeforeCommand::Nothing;
        self.terms.security = Security::Secure;
    }

    /// Appends the reply to a client that sends plain text to a port where TLS comes first.
    #[cold]
    pub fn tls_expected(&mut self, workspace: &mut Workspace) {
        self.close(&reply::TLS_EXPECTED, workspace);
    }

    /// Returns whether the input is a TLS ClientHello instead of a command. A ClientHello has no
    /// lines, so the session can't continue.
    #[cold]
    pub(super) fn is_tls_hello(&self, input: &[u8]) -> bool {
        const HANDSHAKE: u8 = 22;
        const MAJOR: u8 = 3;
        matches!(self.state, SessionState::Greeted) && input.starts_with(&[HANDSHAKE, MAJOR])
    }

    /// Refuses a command before a required STARTTLS. The octets after BDAT are payload
    /// nevertheless.
    #[cold]
    pub(super) fn refuse_before_tls(&mut self, command: Command<'_>) -> Result<Step, NotAccepted> {
        match command {
            Command::Bdat(chunk) => Ok(self.discard(chunk.bytes, &reply::STARTTLS_FIRST)),
            _ => Err(NotAccepted::With(&reply::STARTTLS_FIRST)),
        }
    }

    /// Returns whether a command must wait for TLS if TLS is required (RFC 3207 section 4).
    #[cold]
    pub(super) fn waits_for_tls(command: &Command<'_>) -> bool {
        !matches!(
            command,
            Command::Ehlo { .. }
                | Command::Helo { .. }
                | Command::Lhlo { .. }
                | Command::StartTls
                | Command::Noop { .. }
                | Command::Quit
                | Command::Xclient { .. }
        )
    }
}
