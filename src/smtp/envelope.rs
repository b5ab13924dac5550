//! The envelope in its stored encoding: built while MAIL and RCPT arrive, read by offline tools.
//!
//! # Layout, version 1
//!
//! A sequence of fields without gaps:
//!
//! | offset | octets | field |
//! |--:|--:|---|
//! | 0 | 1 | tag |
//! | 1 | 4 | length of the value, little-endian |
//! | 5 | length | value |
//!
//! | tag | name | value | occurs |
//! |--:|---|---|---|
//! | 1 | version | one octet: 1 | once, first |
//! | 2 | client | family, address, port; see below | at most once |
//! | 3 | listener | the listener's address as configured | at most once |
//! | 4 | name | the argument of EHLO or HELO as sent | at most once |
//! | 5 | protocol | `SMTP`, `ESMTP` or `LMTP` (RFC 3848) | at most once |
//! | 6 | reverse-path | the mailbox; empty is the null reverse-path | once |
//! | 7 | MAIL parameters | as sent, without the space before them | if any were sent |
//! | 8 | forward-path | the mailbox | per recipient, as sent, repeats kept |
//! | 9 | RCPT parameters | as sent, without the space before them | after their forward-path |
//! | 10 | listener's name | as configured, UTF-8 | if it has one |
//! | 11 | TLS | [`super::tls`] | if the session was under TLS |
//! | 12 | authenticated user | the mechanism of AUTH, a space, the name in UTF-8 | at most once |
//! | 13 | peer | as tag 2: the peer, if PROXY or XCLIENT named the client | at most once |
//! | 17 | sink's name | as configured, ASCII | if it has one |
//! | 18 | TLS reported by PROXY | see below | at most once |
//! | 14 | tolerated deviations | one octet per kind: [`super::deviation`] | each kind once |
//!
//! A client is encoded as one octet of family (4 or 6), the address (4 or 16 octets in network
//! order), and the port (2 octets, little-endian). A client of a Unix socket is the single octet 1.
//! Mailboxes have no angle brackets and no source route.
//!
//! TLS as reported by a PROXY header is one octet of flags (bit 0: the client's certificate was
//! verified), then version, cipher, server name and the certificate's common name, each as a length
//! (2 octets, little-endian) followed by its octets.
//!
//! Readers skip unknown tags. A new meaning of a known tag, or of the layout, increases the
//! version; readers refuse unknown versions. Paths and parameters are octets: mostly ASCII, or
//! UTF-8 if the transaction requested SMTPUTF8.

use super::deviation::{Deviation, Deviations};
use super::proxy::ClientTls;
use super::tls::SessionTls;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Value of the version field.
pub const VERSION: u8 = 1;
/// Size of a field's tag and length, which precede its value, in octets.
pub const FIELD_HEADER_BYTES: usize = 5;

/// The kind of a field. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// The version of the encoding; always the first field.
    Version = 1,
    /// The client's address.
    Client = 2,
    /// The listener's address, as configured.
    Listener = 3,
    /// The name in EHLO, HELO or LHLO.
    Name = 4,
    /// The protocol: ESMTP, SMTP or LMTP.
    Protocol = 5,
    /// The reverse-path.
    ReversePath = 6,
    /// The parameters of MAIL.
    MailParameters = 7,
    /// A forward-path; repeated for each recipient.
    ForwardPath = 8,
    /// The parameters of the RCPT before it.
    RcptParameters = 9,
    /// The name of the listener.
    ListenerName = 10,
    /// The TLS of the session.
    Tls = 11,
    /// The user and mechanism of AUTH.
    Auth = 12,
    /// The peer that connected, if PROXY or XCLIENT named another client.
    Peer = 13,
    /// The tolerated deviations.
    Deviations = 14,
    /// The name of the sink.
    SinkName = 17,
    /// The client's TLS, as reported by a PROXY header.
    ProxyTls = 18,
}

impl Tag {
    const ALL: [Tag; 16] = [
        Tag::Version,
        Tag::Client,
        Tag::Listener,
        Tag::Name,
        Tag::Protocol,
        Tag::ReversePath,
        Tag::MailParameters,
        Tag::ForwardPath,
        Tag::RcptParameters,
        Tag::ListenerName,
        Tag::Tls,
        Tag::Auth,
        Tag::Peer,
        Tag::Deviations,
        Tag::SinkName,
        Tag::ProxyTls,
    ];
    /// The tags by number: decoding looks up each field without a search.
    const BY_NUMBER: [Option<Tag>; 256] = {
        let mut tags = [None; 256];
        let mut place = 0;
        while place < Tag::ALL.len() {
            tags[Tag::ALL[place] as usize] = Some(Tag::ALL[place]);
            place += 1;
        }
        tags
    };

    /// Returns the tag with this number; `None` if a newer program wrote it.
    fn from_number(number: u8) -> Option<Tag> {
        Tag::BY_NUMBER[usize::from(number)]
    }
}

/// An envelope that is built in encoded form while MAIL and RCPT arrive.
#[derive(Debug, Default)]
pub struct Envelope {
    /// Lent by the workspace, which tracks its capacity.
    pub(super) bytes: Vec<u8>,
    pub(super) declared_size: Option<u64>,
}

impl Envelope {
    /// Returns the encoded envelope, as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the SIZE= parameter of MAIL (RFC 1870).
    pub fn declared_size(&self) -> Option<u64> {
        self.declared_size
    }

    /// Appends encoded fields. The caller has reserved capacity, so this does not allocate.
    pub(super) fn push_encoded(&mut self, fields: &[u8]) {
        self.bytes.extend_from_slice(fields);
    }

    /// Appends a field. The caller has reserved capacity, so this does not allocate.
    pub(super) fn push(&mut self, tag: Tag, value: &[u8]) {
        append_field(&mut self.bytes, tag, value);
    }
}

/// The client that submitted a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A client of a Unix socket, without an address.
    Unix,
}

impl Client {
    /// Returns the client's IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Client::Tcp(address) => Some(address.ip()),
            Client::Unix => None,
        }
    }
}

impl From<SocketAddr> for Client {
    fn from(address: SocketAddr) -> Client {
        Client::Tcp(address)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Tcp(address) => address.fmt(f),
            Client::Unix => f.write_str("unix"),
        }
    }
}

/// Family octet of a client without an address.
const FAMILY_UNIX: u8 = 1;

/// Appends one field to an encoded envelope; for tests and tools that compose envelopes.
pub fn append_field(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    let length = u32::try_from(value.len()).expect("command lines are far shorter than 4 GiB");
    out.push(tag as u8);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}

/// Encodes a client: a buffer, and how many of its octets are used (1, 7 or 19).
pub(super) fn encode_client(client: Client) -> ([u8; 19], usize) {
    let mut value = [0; 19];
    let Client::Tcp(client) = client else {
        value[0] = FAMILY_UNIX;
        return (value, 1);
    };
    let address_bytes = match client.ip() {
        IpAddr::V4(ip) => {
            value[0] = 4;
            value[1..5].copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            value[0] = 6;
            value[1..17].copy_from_slice(&ip.octets());
            16
        }
    };
    value[1 + address_bytes..3 + address_bytes].copy_from_slice(&client.port().to_le_bytes());
    (value, 3 + address_bytes)
}

/// A decoded envelope, which borrows from the encoded octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The client's address; `None` if it is unknown.
    pub client: Option<Client>,
    /// The listener's address, as configured.
    pub listener: &'a [u8],
    /// The argument of EHLO or HELO.
    pub helo: &'a [u8],
    /// The protocol: ESMTP, SMTP or LMTP.
    pub protocol: &'a [u8],
    /// Empty for the null reverse-path.
    pub mail_from: &'a [u8],
    /// The parameters of MAIL.
    pub mail_params: &'a [u8],
    /// Rules that the client broke, without kinds that this program does not know.
    pub deviations: Deviations,
    /// The name of the listener; empty if it has none.
    pub listener_name: &'a [u8],
    /// The TLS of the session; `None` if it was in plain text.
    pub tls: Option<SessionTls<'a>>,
    /// The mechanism of AUTH, a space, and the user; empty without AUTH.
    pub auth: &'a [u8],
    /// The peer that connected, if PROXY or XCLIENT named another client.
    pub peer: Option<Client>,
    /// The name of the sink; empty if it has none.
    pub sink_name: &'a [u8],
    /// The client's TLS, as reported by a PROXY header.
    pub proxy_tls: Option<ClientTls<'a>>,
    recipients: u32,
    fields: EnvelopeFields<'a>,
}

/// A forward-path and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient<'a> {
    /// The forward-path, without angle brackets.
    pub path: &'a [u8],
    /// The parameters; empty if none were sent.
    pub params: &'a [u8],
}

/// Why octets are not a valid envelope: damage, or a newer program wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A field reaches beyond the end.
    #[error("envelope: the field at offset {offset} reaches beyond the end")]
    Truncated {
        /// The position of the field.
        offset: usize,
    },
    /// The first field is not the version.
    #[error("envelope: it does not begin with a version")]
    NoVersion,
    /// The version is newer than this program.
    #[error("envelope: version {version} is newer than this program knows (1): use a newer one")]
    VersionUnknown {
        /// The version.
        version: u8,
    },
}

/// Decodes an envelope. Never panics, whatever the octets, and allocates nothing.
///
/// Costs one step per field. Unknown tags are skipped. If a field that should occur once is
/// repeated, the last one counts. A client of an unknown family is decoded as `None`.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    let mut fields = EnvelopeFields { rest: bytes };
    match fields.next_known() {
        Some(Ok((Some(Tag::Version), &[VERSION]))) => {}
        Some(Ok((Some(Tag::Version), &[version, ..]))) => {
            return Err(DecodeError::VersionUnknown { version });
        }
        Some(Err(Broken)) => return Err(DecodeError::Truncated { offset: 0 }),
        _ => return Err(DecodeError::NoVersion),
    }
    let mut decoded = Decoded {
        client: None,
        listener: b"",
        helo: b"",
        protocol: b"",
        mail_from: b"",
        mail_params: b"",
        deviations: Deviations::NONE,
        listener_name: b"",
        tls: None,
        auth: b"",
        peer: None,
        sink_name: b"",
        proxy_tls: None,
        recipients: 0,
        fields,
    };
    loop {
        let offset = bytes.len() - fields.rest.len();
        match fields.next_known() {
            None => return Ok(decoded),
            Some(Err(Broken)) => return Err(DecodeError::Truncated { offset }),
            Some(Ok((Some(tag), value))) => decoded.take(tag, value),
            Some(Ok((None, _))) => {}
        }
    }
}

impl<'a> Decoded<'a> {
    /// Returns the forward-paths in the order sent, including repeats.
    pub fn recipients(&self) -> EnvelopeRecipients<'a> {
        EnvelopeRecipients { fields: self.fields }
    }

    /// Returns the number of forward-paths, without counting them.
    pub fn recipients_count(&self) -> u32 {
        self.recipients
    }

    /// Returns the mechanism by which the client authenticated; empty if it did not.
    pub fn mechanism(&self) -> &'a [u8] {
        let space = memchr::memchr(b' ', self.auth).unwrap_or(0);
        &self.auth[..space]
    }

    /// Returns the user name of AUTH; empty if the client did not authenticate.
    pub fn user(&self) -> &'a [u8] {
        match memchr::memchr(b' ', self.auth) {
            Some(space) => &self.auth[space + 1..],
            None => b"",
        }
    }

    /// Returns the listener's name, or its address if it has no name.
    pub fn listener_label(&self) -> &'a [u8] {
        if self.listener_name.is_empty() { self.listener } else { self.listener_name }
    }

    fn take(&mut self, tag: Tag, value: &'a [u8]) {
        match tag {
            Tag::Client => self.client = decode_client(value),
            Tag::Listener => self.listener = value,
            Tag::Name => self.helo = value,
            Tag::Protocol => self.protocol = value,
            Tag::ReversePath => self.mail_from = value,
            Tag::MailParameters => self.mail_params = value,
            Tag::ForwardPath => self.recipients = self.recipients.saturating_add(1),
            Tag::ListenerName => self.listener_name = value,
            Tag::Tls => self.tls = SessionTls::decode(value),
            Tag::Auth => self.auth = value,
            Tag::Peer => self.peer = decode_client(value),
            Tag::SinkName => self.sink_name = value,
            Tag::ProxyTls => self.proxy_tls = decode_proxy_tls(value),
            Tag::Deviations => {
                let known = value.iter().filter_map(|number| Deviation::from_number(*number));
                known.for_each(|kind| self.deviations.add(kind));
            }
            // The version was checked. Parameters of RCPT are read with their forward-path.
            Tag::Version | Tag::RcptParameters => {}
        }
    }
}

/// Iterator over forward-paths with their parameters.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeRecipients<'a> {
    fields: EnvelopeFields<'a>,
}

impl<'a> Iterator for EnvelopeRecipients<'a> {
    type Item = Recipient<'a>;

    fn next(&mut self) -> Option<Recipient<'a>> {
        loop {
            let (tag, path) = self.fields.next_known()?.ok()?;
            if tag == Some(Tag::ForwardPath) {
                let mut ahead = self.fields;
                if let Some(Ok((Some(Tag::RcptParameters), params))) = ahead.next_known() {
                    self.fields = ahead;
                    return Some(Recipient { path, params });
                }
                return Some(Recipient { path, params: b"" });
            }
        }
    }
}

/// A field extends beyond the end of the envelope.
struct Broken;

/// A tag, `None` if a newer program wrote it, and a value.
type KnownField<'a> = Result<(Option<Tag>, &'a [u8]), Broken>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EnvelopeFields<'a> {
    rest: &'a [u8],
}

impl<'a> EnvelopeFields<'a> {
    fn next(&mut self) -> Option<Result<(u8, &'a [u8]), Broken>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((&[tag, l0, l1, l2, l3], after)) = self.rest.split_first_chunk() else {
            return Some(Err(Broken));
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let split = usize::try_from(length).ok().and_then(|length| after.split_at_checked(length));
        let Some((value, rest)) = split else { return Some(Err(Broken)) };
        self.rest = rest;
        Some(Ok((tag, value)))
    }

    /// Returns the next field like [`EnvelopeFields::next`], with `None` for a tag that a newer
    /// program wrote.
    fn next_known(&mut self) -> Option<KnownField<'a>> {
        let field = self.next()?;
        Some(field.map(|(number, value)| (Tag::from_number(number), value)))
    }
}

/// Returns the fields starting with the first one that has `tag`; empty if there is none.
pub(super) fn fields_from(encoded: &[u8], tag: Tag) -> &[u8] {
    let mut fields = EnvelopeFields { rest: encoded };
    loop {
        let from = fields.rest;
        match fields.next() {
            Some(Ok((found, _))) if found == tag as u8 => return from,
            Some(Ok(_)) => {}
            None | Some(Err(Broken)) => return &[],
        }
    }
}

/// Returns the constant fields of a session that survive another hello: from the user on, or else
/// the fields of the connection.
pub(super) fn lasting_fields(encoded: &[u8]) -> &[u8] {
    match fields_from(encoded, Tag::Auth) {
        [] => connection_fields(encoded),
        fields => fields,
    }
}

/// Returns the constant fields of a session that describe its connection: from the peer on, or else
/// its TLS.
pub(super) fn connection_fields(encoded: &[u8]) -> &[u8] {
    match fields_from(encoded, Tag::Peer) {
        [] => fields_from(encoded, Tag::Tls),
        fields => fields,
    }
}

/// Appends the field with a session's TLS.
pub fn append_tls(out: &mut Vec<u8>, tls: &SessionTls<'_>) {
    append_field(out, Tag::Tls, &tls.encode());
}

/// Returns the peer, if the encoded fields name one.
pub(super) fn peer_of(encoded: &[u8]) -> Option<Client> {
    let mut fields = EnvelopeFields { rest: fields_from(encoded, Tag::Peer) };
    decode_client(fields.next()?.ok()?.1)
}

/// Appends the field with a client's TLS as a PROXY header reported it.
pub fn append_proxy_tls(out: &mut Vec<u8>, tls: &ClientTls<'_>) {
    let texts = [tls.version, tls.cipher, tls.server_name, tls.common_name];
    let mut value = vec![u8::from(tls.is_verified)];
    for text in texts {
        let length = u16::try_from(text.len()).expect("a header has 4,096 octets at most");
        value.extend_from_slice(&length.to_le_bytes());
        value.extend_from_slice(text);
    }
    append_field(out, Tag::ProxyTls, &value);
}

/// Decodes the value of a field; `None` if it is damaged or has an unknown layout.
fn decode_proxy_tls(value: &[u8]) -> Option<ClientTls<'_>> {
    let (flags, mut rest) = value.split_first()?;
    let mut text = || {
        let (length, text) = rest.split_first_chunk::<2>()?;
        let (text, after) = text.split_at_checked(u16::from_le_bytes(*length).into())?;
        rest = after;
        Some(text)
    };
    Some(ClientTls {
        version: text()?,
        cipher: text()?,
        server_name: text()?,
        common_name: text()?,
        is_verified: flags & 1 != 0,
    })
}

fn decode_client(value: &[u8]) -> Option<Client> {
    let (family, rest) = value.split_first()?;
    if *family == FAMILY_UNIX && rest.is_empty() {
        return Some(Client::Unix);
    }
    let (address, port) = rest.split_last_chunk::<2>()?;
    let ip = match family {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        6 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(Client::Tcp(SocketAddr::new(ip, u16::from_le_bytes(*port))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Client {
        Client::Tcp(address.parse().unwrap())
    }

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        append_field(&mut bytes, Tag::Version, &[VERSION]);
        let (client, client_bytes) = encode_client(tcp("192.0.2.7:2525"));
        append_field(&mut bytes, Tag::Client, &client[..client_bytes]);
        append_field(&mut bytes, Tag::Listener, b"127.0.0.1:1025");
        append_field(&mut bytes, Tag::Name, b"client.example");
        append_field(&mut bytes, Tag::Protocol, b"ESMTP");
        append_field(&mut bytes, Tag::ReversePath, b"a@b");
        append_field(&mut bytes, Tag::MailParameters, b"SIZE=5");
        append_field(&mut bytes, Tag::ForwardPath, b"c@d");
        append_field(&mut bytes, Tag::RcptParameters, b"NOTIFY=NEVER");
        append_field(&mut bytes, Tag::ForwardPath, b"e@f");
        bytes
    }

    #[test]
    fn every_tag_is_found_by_its_number() {
        let known = (0..=u8::MAX).filter_map(Tag::from_number);
        assert!(known.clone().all(|tag| Tag::from_number(tag as u8) == Some(tag)));
        let numbers: Vec<u8> = known.map(|tag| tag as u8).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18]);
    }

    #[test]
    fn envelopes_read_back() {
        let bytes = sample();
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded.client, Some(tcp("192.0.2.7:2525")));
        assert_eq!(decoded.listener, b"127.0.0.1:1025");
        assert_eq!((decoded.helo, decoded.protocol), (&b"client.example"[..], &b"ESMTP"[..]));
        assert_eq!((decoded.mail_from, decoded.mail_params), (&b"a@b"[..], &b"SIZE=5"[..]));
        assert_eq!(decoded.recipients_count(), 2);
        let recipients: Vec<_> = decoded.recipients().map(|r| (r.path, r.params)).collect();
        assert_eq!(recipients, [(&b"c@d"[..], &b"NOTIFY=NEVER"[..]), (b"e@f", b"")]);
    }

    #[test]
    fn ipv6_clients_read_back() {
        let client = tcp("[2001:db8::1]:9");
        let (value, bytes) = encode_client(client);
        assert_eq!(bytes, 19);
        assert_eq!(decode_client(&value), Some(client));
        let (value, bytes) = encode_client(Client::Unix);
        assert_eq!(decode_client(&value[..bytes]), Some(Client::Unix));
        assert_eq!(decode_client(b"\x01abcdef"), None);
        assert_eq!(decode_client(b""), None);
        assert_eq!(decode_client(b"\x04abc"), None);
        assert_eq!(decode_client(b"\x05abcdef"), None);
    }

    #[test]
    fn unknown_tags_are_skipped_and_newer_versions_refused() {
        let mut bytes = sample();
        bytes.extend_from_slice(&[200, 3, 0, 0, 0, 1, 2, 3]);
        append_field(&mut bytes, Tag::ForwardPath, b"g@h");
        assert_eq!(decode(&bytes).unwrap().recipients().count(), 3);
        bytes[5] = 2;
        assert_eq!(decode(&bytes), Err(DecodeError::VersionUnknown { version: 2 }));
        assert_eq!(decode(b""), Err(DecodeError::NoVersion));
        assert_eq!(decode(&bytes[6..]), Err(DecodeError::NoVersion));
    }

    #[test]
    fn deviations_of_all_fields_are_united_and_newer_kinds_skipped() {
        let mut bytes = sample();
        assert!(decode(&bytes).unwrap().deviations.is_empty());
        append_field(&mut bytes, Tag::Deviations, &[3, 9]);
        append_field(&mut bytes, Tag::Deviations, &[200, 0, 7]);
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded.deviations.names(), "hello-name, no-brackets, dots");
        assert_eq!(decoded.recipients_count(), 2);
    }

    #[test]
    fn decoding_any_octets_does_not_panic() {
        let bytes = sample();
        for end in 0..bytes.len() {
            if let Ok(decoded) = decode(&bytes[..end]) {
                assert!(decoded.recipients().count() <= 2);
            }
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 9, 127, 255] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(decoded) = decode(&changed) {
                    assert_eq!(decoded.recipients().count(), decoded.recipients_count() as usize);
                }
            }
        }
        assert_eq!(decode(&[1, 1, 0, 0, 0, 1, 8, 9]), Err(DecodeError::Truncated { offset: 6 }));
    }
}
