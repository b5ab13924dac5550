//! XCLIENT, by which a trusted client names the client that it acts for.
//!
//! The session starts over: nothing that the sender of XCLIENT sent before applies to the named
//! client. Input after the command is read after `decided`, as part of the named client's session.
use super::Session;
use super::counts::SessionCounts;
use super::identity::{HelloName, XclientUse};
use super::refusal::NotAccepted;
use super::state::SessionState;
use super::step::{Decision, Question, Step};
use crate::smtp::reply;
use crate::smtp::workspace::Workspace;
use crate::smtp::xclient::{self, AttributeValue, ClientClaims, ClientProtocol};

impl Session {
    /// Allows the client to send XCLIENT, because it is trusted; EHLO announces it.
    #[cold]
    pub fn allow_xclient(&mut self) {
        self.identity.set_xclient_use(XclientUse::Allowed);
    }

    /// Forbids XCLIENT, even if EHLO announced it.
    #[cold]
    pub fn deny_xclient(&mut self) {
        self.identity.set_xclient_use(XclientUse::Denied);
    }

    /// Returns whether the client can send XCLIENT.
    pub fn may_xclient(&self) -> bool {
        self.identity.xclient_use() == XclientUse::Allowed
    }

    /// Returns whether the caller must decide if the client can send XCLIENT: its address was just
    /// named, and trust in the client that named it does not extend to it.
    pub fn is_xclient_undecided(&self) -> bool {
        self.identity.xclient_use() == XclientUse::Undecided
    }

    /// Handles the answer to [`Question::Client`].
    #[cold]
    pub fn decided(&mut self, decision: Decision, workspace: &mut Workspace) {
        match decision {
            Decision::Serve => {
                self.counts = SessionCounts::default();
                self.update_policy(workspace);
                self.terms.announce();
                self.greet(workspace);
            }
            Decision::Refuse(why) => self.farewell(why, workspace),
        }
    }

    /// Executes XCLIENT. An invalid command changes nothing; a valid one starts the session over.
    #[cold]
    pub(super) fn xclient(&mut self, argument: &[u8]) -> Result<Step, NotAccepted> {
        if !self.may_xclient() {
            return Err(NotAccepted::With(&reply::XCLIENT_DENIED));
        }
        if self.open().is_some() {
            return Err(NotAccepted::With(&reply::XCLIENT_NESTED));
        }
        let claims = xclient::parse(argument).map_err(|error| NotAccepted::With(error.reply()))?;
        let hello = self.claimed_hello(&claims);
        self.identity.become_client(&claims, hello);
        self.state = match hello {
            Some(_) => SessionState::Ready,
            None => SessionState::Greeted,
        };
        Ok(Step::Decide(Question::Client))
    }

    /// Returns the hello of the named client, if XCLIENT names it.
    fn claimed_hello<'a>(&self, claims: &'a ClientClaims) -> Option<HelloName<'a>> {
        let Some(AttributeValue::Known(name)) = &claims.hello else { return None };
        let protocol: &[u8] = match claims.protocol {
            _ if self.terms.is_lmtp() => b"LMTP",
            Some(ClientProtocol::Esmtp) => b"ESMTP",
            Some(ClientProtocol::Smtp) | None => b"SMTP",
        };
        Some(HelloName { name, protocol })
    }
}
