//! Cold: XCLIENT, by which a trusted client names the client for which it speaks.
//!
//! The session starts over: nothing that the client said before counts for the named one, and what
//! follows in the input is read after `decided`, in the named client's session.
use std::net::SocketAddr;
use std::num::NonZero;

use super::*;
use crate::smtp::envelope;
use crate::smtp::xclient::{self, Claim, ClientClaims, ClientProtocol};

impl Session {
    /// The client is trusted: it may send XCLIENT, and EHLO says so.
    #[cold]
    pub fn allow_xclient(&mut self) {
        self.xclient_use = XclientUse::Allowed;
    }

    /// The client may no longer send XCLIENT, whatever EHLO said.
    #[cold]
    pub fn deny_xclient(&mut self) {
        self.xclient_use = XclientUse::Denied;
    }

    /// Whether the client may send XCLIENT.
    pub fn may_xclient(&self) -> bool {
        self.xclient_use == XclientUse::Allowed
    }

    /// Whether the caller has to decide if the client may send XCLIENT: its address was named just
    /// now, and the client that named it was trusted for itself alone.
    pub fn is_xclient_undecided(&self) -> bool {
        self.xclient_use == XclientUse::Undecided
    }

    /// Answers the question of the step `Decide`.
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

    /// A bad command changes nothing. A good one ends what the session has been so far.
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
            Some(Claim::Known(_)) => XclientUse::Undecided,
            // Whose words follow is not known.
            Some(Claim::Unavailable) => XclientUse::Denied,
        };
        self.hello_deviations = Deviations::NONE;
        let mut fields = Vec::new();
        self.state = SessionState::Greeted;
        if let Some(Claim::Known(name)) = &claims.hello {
            Session::append_hello(&mut fields, client, name, self.claimed_protocol(claims));
            self.state = SessionState::Ready;
        }
        fields.extend(beyond);
        self.constant = fields.into();
    }

    /// The client that counts from now on. An address has the port that an XCLIENT has named, or 0:
    /// the port of the connection belongs to another address. An address that is not available
    /// changes nothing, as with PROXY.
    fn client_of(&self, claims: &ClientClaims) -> Client {
        let claimed = port_of(claims).or(self.claimed_port.map(NonZero::get));
        match (&claims.address, self.client) {
            (Some(Claim::Known(ip)), _) => SocketAddr::new(*ip, claimed.unwrap_or(0)).into(),
            (_, Client::Tcp(now)) => {
                SocketAddr::new(now.ip(), claimed.unwrap_or(now.port())).into()
            }
            (_, Client::Unix) => Client::Unix,
        }
    }

    /// What stands in the envelope beside the name of HELO.
    fn claimed_protocol(&self, claims: &ClientClaims) -> &'static [u8] {
        match claims.protocol {
            _ if self.policy.is_lmtp() => b"LMTP",
            Some(ClientProtocol::Esmtp) => b"ESMTP",
            Some(ClientProtocol::Smtp) | None => b"SMTP",
        }
    }
}

/// The port that is named; one that is not available is 0.
fn port_of(claims: &ClientClaims) -> Option<u16> {
    claims.port.as_ref().map(|port| match port {
        Claim::Known(port) => *port,
        Claim::Unavailable => 0,
    })
}
