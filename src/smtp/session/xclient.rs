//! Cold: XCLIENT, by which a trusted client names the client that it acts for.
//!
//! The session starts over: nothing that the sender of XCLIENT sent before applies to the named
//! client. Input after the command is read after `decided`, as part of the named client's session.
use std::net::SocketAddr;
use std::num::NonZero;

use super::*;
use crate::smtp::envelope;
use crate::smtp::xclient::{self, AttributeValue, ClientClaims, ClientProtocol};

impl Session {
    /// Allows the client to send XCLIENT, because it is trusted; EHLO announces it.
    #[cold]
    pub fn allow_xclient(&mut self) {
        self.xclient_use = XclientUse::Allowed;
    }

    /// Forbids XCLIENT, even if EHLO announced it.
    #[cold]
    pub fn deny_xclient(&mut self) {
        self.xclient_use = XclientUse::Denied;
    }

    /// Returns whether the client can send XCLIENT.
    pub fn may_xclient(&self) -> bool {
        self.xclient_use == XclientUse::Allowed
    }

    /// Returns whether the caller must decide if the client can send XCLIENT: its address was just
    /// named, and trust in the client that named it does not extend to it.
    pub fn is_xclient_undecided(&self) -> bool {
        self.xclient_use == XclientUse::Undecided
    }

    /// Handles the answer to [`Question::Client`].
    #[cold]
    pub fn decided(&mut self, decision: Decision, workspace: &mut Workspace) {
        match decision {
            Decision::Serve => {
                (self.messages, self.errors) = (0, 0);
                self.update_policy(workspace);
                self.without = self.policy.without;
                self.greet(workspace);
            }
            Decision::Refuse(why) => self.farewell(why, workspace),
        }
    }

    /// Executes XCLIENT. An invalid command changes nothing; a valid one starts the session over.
    #[cold]
    pub(super) fn xclient(&mut self, argument: &[u8]) -> Result<Step, NotAccepted> {
        if self.xclient_use != XclientUse::Allowed {
            return Err(NotAccepted::With(&reply::XCLIENT_DENIED));
        }
        if self.open().is_some() {
            return Err(NotAccepted::With(&reply::XCLIENT_NESTED));
        }
        let claims = xclient::parse(argument).map_err(|error| NotAccepted::With(error.reply()))?;
        self.become_client(&claims);
        Ok(Step::Decide(Question::Client))
    }

    fn become_client(&mut self, claims: &ClientClaims) {
        let client = self.client_of(claims);
        if let Some(port) = port_of(claims) {
            self.claimed_port = NonZero::new(port);
        }
        let mut beyond = envelope::connection_fields(&self.constant).to_vec();
        if client != self.client && self.peer().is_none() {
            beyond = [self.encode_peer(), beyond].concat();
        }
        self.client = client;
        self.xclient_use = match claims.address {
            None => self.xclient_use,
            Some(AttributeValue::Known(_)) => XclientUse::Undecided,
            // It is unknown who sends the following commands.
            Some(AttributeValue::Unavailable) => XclientUse::Denied,
        };
        self.hello_deviations = Deviations::NONE;
        let mut fields = Vec::new();
        self.state = SessionState::Greeted;
        if let Some(AttributeValue::Known(name)) = &claims.hello {
            Session::append_hello(&mut fields, client, name, self.claimed_protocol(claims));
            self.state = SessionState::Ready;
        }
        fields.extend(beyond);
        self.constant = fields.into();
    }

    /// Returns the client after XCLIENT. An address gets the port that an XCLIENT named, or 0,
    /// because the port of the connection belongs to another address. An address that is
    /// unavailable changes nothing, as with PROXY.
    fn client_of(&self, claims: &ClientClaims) -> Client {
        let claimed = port_of(claims).or(self.claimed_port.map(NonZero::get));
        match (&claims.address, self.client) {
            (Some(AttributeValue::Known(ip)), _) => {
                SocketAddr::new(*ip, claimed.unwrap_or(0)).into()
            }
            (_, Client::Tcp(now)) => {
                SocketAddr::new(now.ip(), claimed.unwrap_or(now.port())).into()
            }
            (_, Client::Unix) => Client::Unix,
        }
    }

    /// Returns the value of the envelope's protocol field.
    fn claimed_protocol(&self, claims: &ClientClaims) -> &'static [u8] {
        match claims.protocol {
            _ if self.policy.is_lmtp() => b"LMTP",
            Some(ClientProtocol::Esmtp) => b"ESMTP",
            Some(ClientProtocol::Smtp) | None => b"SMTP",
        }
    }
}

/// Returns the port in XCLIENT, 0 if it is unavailable; `None` if there is no PORT.
fn port_of(claims: &ClientClaims) -> Option<u16> {
    claims.port.as_ref().map(|port| match port {
        AttributeValue::Known(port) => *port,
        AttributeValue::Unavailable => 0,
    })
}
