//! The identity of a session's client, and the envelope fields that state it.
use std::net::SocketAddr;
use std::num::NonZero;

use crate::smtp::deviation::Deviations;
use crate::smtp::envelope::{self, Client, Tag};
use crate::smtp::proxy::ClientTls;
use crate::smtp::sasl::Mechanism;
use crate::smtp::tls::SessionTls;
use crate::smtp::xclient::{AttributeValue, ClientClaims};

/// The verb of the client's hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloVerb {
    Helo,
    Ehlo,
    Lhlo,
}

impl HelloVerb {
    /// Returns the protocol that envelopes name.
    pub fn protocol(self) -> &'static [u8] {
        match self {
            HelloVerb::Helo => b"SMTP",
            HelloVerb::Ehlo => b"ESMTP",
            HelloVerb::Lhlo => b"LMTP",
        }
    }
}

/// What a client calls itself, and the protocol that its envelopes name.
#[derive(Debug, Clone, Copy)]
pub struct HelloName<'a> {
    pub name: &'a [u8],
    pub protocol: &'static [u8],
}

/// Whether a client may send XCLIENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XclientUse {
    Denied,
    Allowed,
    /// The client was just named by XCLIENT: the caller decides, based on its own address.
    Undecided,
}

/// The client of a session: its address, hello, user and TLS.
#[derive(Debug)]
pub struct Identity {
    client: Client,
    /// The encoded envelope fields that don't change between hellos: the client, its hello name and
    /// the protocol, once it sent EHLO, HELO or LHLO; then the user of AUTH; then what describes
    /// the connection (`envelope::connection_fields`): the peer, the TLS that a PROXY header
    /// reported, and the TLS of the session.
    constant: Box<[u8]>,
    /// The client's port, if XCLIENT named it.
    claimed_port: Option<NonZero<u16>>,
    xclient_use: XclientUse,
    /// Rules that the last EHLO, HELO or LHLO broke.
    hello_deviations: Deviations,
}

impl Identity {
    /// Returns the identity of a client that has sent nothing. Allocates nothing.
    pub fn new(client: Client) -> Identity {
        Identity {
            client,
            constant: Box::default(),
            claimed_port: None,
            xclient_use: XclientUse::Denied,
            hello_deviations: Deviations::NONE,
        }
    }

    /// Returns the client that submits mail: the peer, or the client that PROXY or XCLIENT named.
    #[inline]
    pub fn client(&self) -> Client {
        self.client
    }

    /// Returns the peer, if PROXY or XCLIENT named another client.
    pub fn peer(&self) -> Option<Client> {
        envelope::peer_of(&self.constant)
    }

    /// Returns the encoded envelope fields that stay the same until the next hello.
    #[inline]
    pub fn fields(&self) -> &[u8] {
        &self.constant
    }

    /// Names the client for which a proxy opened the connection. The session has not begun.
    pub fn set_proxied(&mut self, client: Client, tls: Option<&ClientTls<'_>>) {
        assert!(self.constant.is_empty(), "a client is named before the session begins");
        let mut fields = self.encode_peer();
        if let Some(tls) = tls {
            envelope::append_proxy_tls(&mut fields, tls);
        }
        self.constant = fields.into();
        self.client = client;
    }

    /// Takes the name from a hello. `scratch` saves an allocation when the name is the same as
    /// before.
    pub fn set_hello(&mut self, hello: HelloName<'_>, scratch: &mut Vec<u8>) {
        self.hello_deviations = Deviations::NONE;
        scratch.clear();
        append_hello(scratch, self.client, hello);
        scratch.extend_from_slice(envelope::lasting_fields(&self.constant));
        if *self.constant != **scratch {
            self.constant = scratch.as_slice().into();
        }
    }

    /// Returns the rules that the last hello broke.
    #[inline]
    pub fn hello_deviations(&self) -> Deviations {
        self.hello_deviations
    }

    /// Records the rules that the last hello broke.
    pub fn set_hello_deviations(&mut self, kinds: Deviations) {
        self.hello_deviations = kinds;
    }

    /// Returns whether AUTH has succeeded.
    pub fn is_authenticated(&self) -> bool {
        !envelope::fields_from(&self.constant, Tag::Auth).is_empty()
    }

    /// Stores the user for later envelopes, until XCLIENT, STARTTLS or the end of the session.
    pub fn set_user(&mut self, mechanism: Mechanism, user: &str) {
        let peer = envelope::connection_fields(&self.constant);
        let hello = self.constant.len() - peer.len();
        let mut fields = self.constant[..hello].to_vec();
        let value = format!("{} {user}", mechanism.name());
        envelope::append_field(&mut fields, Tag::Auth, value.as_bytes());
        fields.extend_from_slice(peer);
        self.constant = fields.into();
    }

    /// Forgets what the client sent before TLS (RFC 3207 section 4.2). A client named by PROXY or
    /// XCLIENT stays.
    pub fn start_over_under_tls(&mut self, tls: &SessionTls<'_>) {
        let mut fields = envelope::connection_fields(&self.constant).to_vec();
        envelope::append_tls(&mut fields, tls);
        self.constant = fields.into();
        self.hello_deviations = Deviations::NONE;
    }

    /// Returns whether the client may send XCLIENT.
    pub fn xclient_use(&self) -> XclientUse {
        self.xclient_use
    }

    /// Sets whether the client may send XCLIENT.
    pub fn set_xclient_use(&mut self, xclient_use: XclientUse) {
        self.xclient_use = xclient_use;
    }

    /// Becomes the client that an XCLIENT names. `hello`: its hello, if the command names that too.
    pub fn become_client(&mut self, claims: &ClientClaims, hello: Option<HelloName<'_>>) {
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
        if let Some(hello) = hello {
            append_hello(&mut fields, client, hello);
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

    /// Encodes the client as the peer field.
    fn encode_peer(&self) -> Vec<u8> {
        let (peer, peer_bytes) = envelope::encode_client(self.client);
        let mut fields = Vec::new();
        envelope::append_field(&mut fields, Tag::Peer, &peer[..peer_bytes]);
        fields
    }
}

/// Appends the envelope fields that a hello determines.
fn append_hello(out: &mut Vec<u8>, client: Client, hello: HelloName<'_>) {
    let (client, client_bytes) = envelope::encode_client(client);
    envelope::append_field(out, Tag::Client, &client[..client_bytes]);
    envelope::append_field(out, Tag::Name, hello.name);
    envelope::append_field(out, Tag::Protocol, hello.protocol);
}

/// Returns the port in XCLIENT, 0 if it is unavailable; `None` if there is no PORT.
fn port_of(claims: &ClientClaims) -> Option<u16> {
    claims.port.as_ref().map(|port| match port {
        AttributeValue::Known(port) => *port,
        AttributeValue::Unavailable => 0,
    })
}
