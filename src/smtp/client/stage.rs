//! How far a client session has come, and why it failed.
use super::code::ReplyCode;
use super::watch::SessionFault;

/// How far a session has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum SessionStage {
    /// From the greeting to the reply to the last command of the opening.
    Opening,
    /// The server accepted STARTTLS: nothing is read or written until the handshake is done.
    Handshake,
    /// Messages can be sent.
    Ready,
    /// No message is started. QUIT is queued once the messages in progress are done.
    Quitting,
    /// The server answered QUIT, or the caller lost the connection.
    Closed,
    /// The session can't continue.
    Failed(SessionFailure),
}

/// How a session failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionFailure {
    fault: SessionFault,
    failed_in: FailedIn,
}

/// The part of the session that failed.
#[derive(Debug, Clone, Copy)]
enum FailedIn {
    /// The opening, with the reply code that refused it, if any. A later fault, such as that the
    /// code was 421, does not change the code.
    Opening(Option<ReplyCode>),
    /// The session after the opening.
    OpenSession,
}

impl SessionStage {
    /// Returns whether the session is over.
    pub fn is_closed(self) -> bool {
        matches!(self, SessionStage::Closed | SessionStage::Failed(_))
    }

    /// Returns whether the session was ever open for messages.
    pub fn was_opened(self) -> bool {
        match self {
            SessionStage::Opening | SessionStage::Handshake => false,
            SessionStage::Ready | SessionStage::Quitting | SessionStage::Closed => true,
            SessionStage::Failed(failure) => matches!(failure.failed_in, FailedIn::OpenSession),
        }
    }

    /// Returns why the session can't continue.
    pub fn fault(self) -> Option<SessionFault> {
        match self {
            SessionStage::Failed(failure) => Some(failure.fault),
            _ => None,
        }
    }

    /// Returns the reply code with which the server refused to open the session.
    pub fn refusal(self) -> Option<ReplyCode> {
        match self {
            SessionStage::Failed(SessionFailure { failed_in: FailedIn::Opening(code), .. }) => code,
            _ => None,
        }
    }

    /// Ends the session because of `fault`. A later fault replaces an earlier one.
    pub fn fail(&mut self, fault: SessionFault) {
        let failed_in = if self.was_opened() {
            FailedIn::OpenSession
        } else {
            FailedIn::Opening(self.refusal())
        };
        *self = SessionStage::Failed(SessionFailure { fault, failed_in });
    }

    /// Ends the session because the opening failed.
    pub fn fail_opening(&mut self, fault: SessionFault) {
        let refusal = match fault {
            SessionFault::Refused { code, .. } => Some(code),
            _ => None,
        };
        let failed_in = FailedIn::Opening(refusal);
        *self = SessionStage::Failed(SessionFailure { fault, failed_in });
    }
}
