//! AUTH (RFC 4954), from the command to its last reply.
use super::Session;
use super::refusal::NotAccepted;
use super::state::SessionState;
use super::step::Step;
use crate::smtp::grammar;
use crate::smtp::policy::AuthMode;
use crate::smtp::reply::{self, Reply};
use crate::smtp::sasl::{self, Credentials, Exchange, Malformed, Mechanism, SaslProgress};
use crate::smtp::workspace::Workspace;

impl Session {
    /// Returns whether the next line is a response to AUTH, and therefore secret.
    pub fn is_authenticating(&self) -> bool {
        matches!(self.state, SessionState::Authenticating(_))
    }

    /// Returns whether MAIL must be rejected until the client authenticates.
    #[cold]
    pub(super) fn owes_auth(&self) -> bool {
        let is_required = self.terms.auth().is_some_and(|auth| auth.is_required);
        is_required && !self.identity.is_authenticated()
    }

    /// Returns whether the client can authenticate only after it has started TLS.
    fn auth_waits_for_tls(&self) -> bool {
        !self.is_secure() && self.terms.auth().is_some_and(|auth| auth.under_tls_only)
    }

    /// Returns the reply to MAIL before a required AUTH.
    #[cold]
    pub(super) fn auth_first(&self) -> &'static Reply {
        if self.auth_waits_for_tls() { self.terms.starttls_first() } else { &reply::AUTH_REQUIRED }
    }

    /// Returns the maximum length of the line at the beginning of `rest`. AUTH must be offered.
    #[cold]
    pub(super) fn auth_line_bytes_max(&self, rest: &[u8]) -> usize {
        let commands_max = self.terms.limits().command_line_bytes_max;
        if self.is_authenticating() || grammar::is_auth(rest) {
            commands_max.max(sasl::LINE_BYTES_MAX)
        } else {
            commands_max
        }
    }

    pub(super) fn auth(
        &mut self,
        argument: &[u8],
        workspace: &mut Workspace,
    ) -> Result<Option<Step>, NotAccepted> {
        if self.terms.auth().is_none() {
            return Err(NotAccepted::With(&reply::NOT_IMPLEMENTED));
        }
        if self.auth_waits_for_tls() {
            return Err(NotAccepted::With(self.terms.starttls_first()));
        }
        match self.state {
            SessionState::Greeted => return Err(NotAccepted::With(self.terms.hello_first())),
            SessionState::Open(_) => return Err(NotAccepted::With(&reply::AUTH_NESTED)),
            _ if self.identity.is_authenticated() => {
                return Err(NotAccepted::With(&reply::AUTH_TWICE));
            }
            _ => {}
        }
        let mut words = argument.split(|octet| *octet == b' ');
        let (name, initial) = (words.next().unwrap_or_default(), words.next());
        if name.is_empty() || initial.is_some_and(<[u8]>::is_empty) || words.next().is_some() {
            return Err(NotAccepted::With(&reply::AUTH_FORM));
        }
        let Some(mechanism) = Mechanism::from_name(name) else {
            return Err(NotAccepted::With(&reply::AUTH_MECHANISM));
        };
        let challenge = workspace.challenges.next(&self.terms.options().hostname);
        let progress = Exchange::begin(mechanism, initial, challenge);
        self.auth_continues(mechanism, progress, workspace);
        Ok(Some(Step::AuthLine))
    }

    /// Handles the client's response during AUTH.
    #[cold]
    pub(super) fn auth_response(&mut self, line: &[u8], workspace: &mut Workspace) {
        let state = std::mem::replace(&mut self.state, SessionState::Ready);
        let SessionState::Authenticating(exchange) = state else {
            panic!("a response without an exchange")
        };
        if line == b"*" {
            return self.reply(&reply::AUTH_CANCELED, workspace);
        }
        let mechanism = exchange.mechanism();
        let progress = exchange.respond(line);
        self.auth_continues(mechanism, progress, workspace);
    }

    /// Handles a response that exceeds the maximum length.
    #[cold]
    pub(super) fn auth_response_too_long(&mut self, workspace: &mut Workspace) {
        self.state = SessionState::Ready;
        self.reply(&reply::AUTH_TOO_LONG, workspace);
    }

    fn auth_continues(
        &mut self,
        mechanism: Mechanism,
        progress: Result<SaslProgress, Malformed>,
        workspace: &mut Workspace,
    ) {
        match progress {
            Ok(SaslProgress::Challenge(exchange, text)) => {
                self.challenge(exchange, &text, workspace)
            }
            Ok(SaslProgress::Claimed(credentials)) => {
                self.judge(mechanism, &credentials, workspace)
            }
            Ok(SaslProgress::Refused) => self.reply(&reply::AUTH_REJECTED, workspace),
            Err(Malformed::Base64) => self.reply(&reply::AUTH_BASE64, workspace),
            Err(Malformed::Form) => self.reply(&reply::AUTH_RESPONSE, workspace),
        }
    }

    /// Appends 334 and a challenge in base64.
    fn challenge(&mut self, exchange: Exchange, text: &str, workspace: &mut Workspace) {
        workspace.replies.extend_from_slice(b"334 ");
        workspace.replies.extend_from_slice(text.as_bytes());
        workspace.replies.extend_from_slice(b"\r\n");
        workspace.tally.reply(&reply::AUTH_CHALLENGE, 1);
        self.state = SessionState::Authenticating(Box::new(exchange));
    }

    fn judge(&mut self, mechanism: Mechanism, claim: &Credentials, workspace: &mut Workspace) {
        let mode = self.terms.auth().map(|auth| &auth.mode);
        let is_accepted = match mode {
            Some(AuthMode::Any) => true,
            Some(AuthMode::Users(users)) => users.accepts(claim),
            Some(AuthMode::Defer) => return self.reply(&reply::AUTH_DEFERRED, workspace),
            Some(AuthMode::Reject) | None => false,
        };
        if is_accepted {
            self.identity.set_user(mechanism, &claim.user);
            return self.reply(&reply::AUTH_OK, workspace);
        }
        match mechanism {
            Mechanism::Xoauth2 => {
                let (exchange, text) = Exchange::refuse_token();
                self.challenge(exchange, &text, workspace);
            }
            _ => self.reply(&reply::AUTH_REJECTED, workspace),
        }
    }
}
