//! Cold: STARTTLS (RFC 3207), and what holds under TLS.
use super::*;
use crate::smtp::envelope;
use crate::smtp::policy::TlsUse;
use crate::smtp::tls::SessionTls;

impl Session {
    /// Whether the session is under TLS.
    pub fn is_secure(&self) -> bool {
        self.security == Security::Secure
    }

    /// Whether its listener begins with TLS.
    pub fn begins_with_tls(&self) -> bool {
        self.policy.tls == TlsUse::Implicit
    }

    /// STARTTLS is allowed: the caller decides, as only it knows whether there is room for another
    /// handshake.
    pub(super) fn starttls(&mut self) -> Result<Step, NotAccepted> {
        let refusal = match (&self.state, self.policy.tls) {
            _ if self.is_secure() => &reply::STARTTLS_TWICE,
            (_, TlsUse::Off | TlsUse::Implicit) if self.security == Security::Plain => {
                &reply::NOT_IMPLEMENTED
            }
            (_, TlsUse::Off | TlsUse::Implicit) => &reply::TLS_UNAVAILABLE,
            (SessionState::Greeted, _) => self.hello_first(),
            (SessionState::Open(_), _) => &reply::STARTTLS_NESTED,
            _ => return Ok(Step::Decide(Question::Tls)),
        };
        Err(NotAccepted::With(refusal))
    }

    /// The reply to what waits for TLS: where there is none, it is not implemented.
    pub(super) fn starttls_first(&self) -> &'static Reply {
        match self.policy.tls {
            TlsUse::Off => &reply::NOT_IMPLEMENTED,
            TlsUse::Offered | TlsUse::Required | TlsUse::Implicit => &reply::STARTTLS_FIRST,
        }
    }

    /// The handshake begins once this reply has left. Nothing that the client has sent before may
    /// be fed (RFC 3207 section 6).
    #[cold]
    pub fn tls_begins(&mut self, workspace: &mut Workspace) {
        self.reply(&reply::TLS_READY, workspace);
    }

    /// There can't be a handshake now: the session goes on without.
    #[cold]
    pub fn tls_is_unavailable(&mut self, workspace: &mut Workspace) {
        self.reply(&reply::TLS_UNAVAILABLE, workspace);
    }

    /// The handshake is done: the session starts over, and nothing that the client said before
    /// counts (RFC 3207 section 4.2). Whom PROXY or XCLIENT named stays.
    #[cold]
    pub fn secured(&mut self, tls: &SessionTls<'_>) {
        let mut fields = envelope::connection_fields(&self.constant).to_vec();
        envelope::append_tls(&mut fields, tls);
        self.constant = fields.into();
        self.state = SessionState::Greeted;
        self.skip = Skip::Nothing;
        self.hello_deviations = Deviations::NONE;
        (self.security, self.owes_tls) = (Security::Secure, false);
    }

    /// Appends the reply to a client that speaks in plain text where the port begins with TLS.
    #[cold]
    pub fn tls_expected(&mut self, workspace: &mut Workspace) {
        self.close(&reply::TLS_EXPECTED, workspace);
    }

    /// A hello of TLS came where a command should be. It is not made of lines, so no more of it is
    /// read.
    #[cold]
    pub(super) fn is_tls_hello(&self, input: &[u8]) -> bool {
        const HANDSHAKE: u8 = 22;
        const MAJOR: u8 = 3;
        matches!(self.state, SessionState::Greeted) && input.starts_with(&[HANDSHAKE, MAJOR])
    }

    /// A command that waits for TLS is refused; what follows BDAT is payload nevertheless.
    #[cold]
    pub(super) fn refuse_before_tls(&mut self, command: Command<'_>) -> Result<Step, NotAccepted> {
        match command {
            Command::Bdat { bytes, .. } => Ok(self.discard(bytes, &reply::STARTTLS_FIRST)),
            _ => Err(NotAccepted::With(&reply::STARTTLS_FIRST)),
        }
    }
}

impl Session {
    /// Whether a command waits for TLS where it is required (RFC 3207 section 4).
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
