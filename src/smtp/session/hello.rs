//! EHLO, HELO and LHLO, with which a client names itself; and the client's address.
use super::Session;
use super::identity::{HelloName, HelloVerb};
use super::state::SessionState;
use super::terms::Security;
use crate::smtp::envelope::Client;
use crate::smtp::policy::EhloAudience;
use crate::smtp::proxy::ClientTls;
use crate::smtp::workspace::Workspace;

impl Session {
    /// Records that the connection is on behalf of `client`, as a PROXY header states. Must be
    /// called before `greet`.
    pub fn set_client(&mut self, client: Client, tls: Option<&ClientTls<'_>>) {
        self.identity.set_proxied(client, tls);
    }

    /// Returns the client that submits mail: the peer, or the client that PROXY or XCLIENT named.
    pub fn client(&self) -> Client {
        self.identity.client()
    }

    /// Returns the peer, if PROXY or XCLIENT named another client.
    pub fn peer(&self) -> Option<Client> {
        self.identity.peer()
    }

    /// Handles EHLO, HELO and LHLO: resets like RSET, and sets the name (RFC 5321 4.1.1.1, 4.1.4).
    pub(super) fn hello(&mut self, name: &[u8], verb: HelloVerb, workspace: &mut Workspace) {
        self.end_transaction(workspace);
        // The transaction that was just reset may have delayed a new generation.
        self.update_policy(workspace);
        self.terms.announce();
        self.state = SessionState::Ready;
        let hello = HelloName { name, protocol: verb.protocol() };
        self.identity.set_hello(hello, &mut workspace.fields);
        let audience = EhloAudience { is_trusted: self.may_xclient(), is_secure: self.is_secure() };
        let policy = self.terms.policy();
        let reply = match verb {
            HelloVerb::Helo => policy.helo_reply(),
            HelloVerb::Ehlo | HelloVerb::Lhlo => policy.ehlo_reply(audience),
        };
        workspace.replies.extend_from_slice(reply);
        workspace.tally.hello();
        if !audience.is_secure {
            let is_announced = policy.announces_starttls(audience) && verb != HelloVerb::Helo;
            self.terms.security = if is_announced { Security::Announced } else { Security::Plain };
        }
    }
}
