//! The client's identity: its hello, and the part of its envelopes that does not change.
use super::*;
use crate::smtp::envelope;
use crate::smtp::policy::EhloAudience;
use crate::smtp::proxy::ClientTls;

impl Session {
    /// A PROXY header says that the connection speaks for `client`. Before the greeting only.
    pub fn speak_for(&mut self, client: Client, tls: Option<&ClientTls<'_>>) {
        assert!(self.constant.is_empty(), "a client is named before the session begins");
        let mut fields = self.encode_peer();
        if let Some(tls) = tls {
            envelope::append_proxy_tls(&mut fields, tls);
        }
        self.constant = fields.into();
        self.client = client;
    }

    /// Who submits mail: who connected, or whom PROXY or XCLIENT named.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Who connected, where PROXY or XCLIENT named the client.
    pub fn peer(&self) -> Option<Client> {
        envelope::peer_of(&self.constant)
    }

    /// The client, as the field of who connected.
    pub(super) fn encode_peer(&self) -> Vec<u8> {
        let (peer, peer_bytes) = envelope::encode_client(self.client);
        let mut fields = Vec::new();
        envelope::append_field(&mut fields, Tag::Peer, &peer[..peer_bytes]);
        fields
    }

    /// EHLO, HELO, LHLO: as RSET, and a new name (RFC 5321 4.1.1.1, 4.1.4).
    pub(super) fn hello(&mut self, name: &[u8], hello: Hello, workspace: &mut Workspace) {
        self.end_transaction(workspace);
        // A reset transaction may have kept an old generation.
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

    /// Encodes the fields of envelopes that stay the same until the next hello.
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

    /// Appends the fields of an envelope that a hello settles.
    pub(super) fn append_hello(out: &mut Vec<u8>, client: Client, name: &[u8], protocol: &[u8]) {
        let (client, client_bytes) = envelope::encode_client(client);
        envelope::append_field(out, Tag::Client, &client[..client_bytes]);
        envelope::append_field(out, Tag::Name, name);
        envelope::append_field(out, Tag::Protocol, protocol);
    }
}
