//! The client's identity: its hello, and the constant part of its envelopes.
use super::*;
use crate::smtp::envelope;
use crate::smtp::policy::EhloAudience;
use crate::smtp::proxy::ClientTls;

impl Session {
    /// Records that the connection is on behalf of `client`, as a PROXY header states. Must be
    /// called before `greet`.
    pub fn set_client(&mut self, client: Client, tls: Option<&ClientTls<'_>>) {
        assert!(self.constant.is_empty(), "a client is named before the session begins");
        let mut fields = self.encode_peer();
        if let Some(tls) = tls {
            envelope::append_proxy_tls(&mut fields, tls);
        }
        self.constant = fields.into();
        self.client = client;
    }

    /// Returns the client that submits mail: the peer, or the client that PROXY or XCLIENT named.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Returns the peer, if PROXY or XCLIENT named another client.
    pub fn peer(&self) -> Option<Client> {
        envelope::peer_of(&self.constant)
    }

    /// Encodes the client as the peer field.
    pub(super) fn encode_peer(&self) -> Vec<u8> {
        let (peer, peer_bytes) = envelope::encode_client(self.client);
        let mut fields = Vec::new();
        envelope::append_field(&mut fields, Tag::Peer, &peer[..peer_bytes]);
        fields
    }

    /// Handles EHLO, HELO and LHLO: resets like RSET, and sets the name (RFC 5321 4.1.1.1, 4.1.4).
    pub(super) fn hello(&mut self, name: &[u8], hello: Hello, workspace: &mut Workspace) {
        self.end_transaction(workspace);
        // The transaction that was just reset may have delayed a new generation.
        self.update_policy(workspace);
        self.without = self.policy.without;
        self.state = SessionState::Ready;
        self.hello_deviations = Deviations::NONE;
        self.encode_constant(name, hello, workspace);
        let audience = EhloAudience { is_trusted: self.may_xclient(), is_secure: self.is_secure() };
        let reply = match hello {
            Hello::Helo => self.policy.helo_reply(),
            Hello::Ehlo | Hello::Lhlo => self.policy.ehlo_reply(audience),
        };
        if !audience.is_secure {
            let is_announced = self.policy.announces_starttls(audience) && hello != Hello::Helo;
            self.security = if is_announced { Security::Announced } else { Security::Plain };
        }
        workspace.replies.extend_from_slice(reply);
        workspace.tally.hello();
    }

    /// Encodes the envelope fields that stay the same until the next hello.
    fn encode_constant(&mut self, name: &[u8], hello: Hello, workspace: &mut Workspace) {
        let protocol: &[u8] = match hello {
            Hello::Helo => b"SMTP",
            Hello::Ehlo => b"ESMTP",
            Hello::Lhlo => b"LMTP",
        };
        let fields = &mut workspace.fields;
        fields.clear();
        Session::append_hello(fields, self.client, name, protocol);
        fields.extend_from_slice(envelope::lasting_fields(&self.constant));
        if *self.constant != **fields {
            self.constant = fields.as_slice().into();
        }
    }

    /// Appends the envelope fields that a hello determines.
    pub(super) fn append_hello(out: &mut Vec<u8>, client: Client, name: &[u8], protocol: &[u8]) {
        let (client, client_bytes) = envelope::encode_client(client);
        envelope::append_field(out, Tag::Client, &client[..client_bytes]);
        envelope::append_field(out, Tag::Name, name);
        envelope::append_field(out, Tag::Protocol, protocol);
    }
}
