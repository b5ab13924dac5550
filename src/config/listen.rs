//! Addresses to listen on: `[proxy:][PROTOCOL:]HOST:PORT` and `[proxy:][PROTOCOL:]unix:PATH`. The
//! protocols are `lmtp` and `submission`, and with TLS from the first octet `smtps` and
//! `submissions`.
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use super::listener_options::ListenerOptions;
use crate::smtp::limits::Protocol;

/// A listener: an address, and the protocol served there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What clients speak: SMTP, LMTP or message submission.
    pub protocol: Protocol,
    /// Where clients connect.
    pub address: ListenAddress,
    /// TLS begins with the first octet, or with the first after the PROXY header (RFC 8314).
    pub is_tls: bool,
    /// Each connection begins with a PROXY header (see [`crate::smtp::proxy`]).
    pub is_proxied: bool,
    /// Its own options, in place of global settings.
    pub options: ListenerOptions,
}

/// A place where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port. Port 0 stands for any free port.
    Tcp(SocketAddr),
    /// The path of a socket in the file system.
    Unix(PathBuf),
}

/// The text is not an address to listen on. Displays what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct BadAddress;

/// The values that `listen` expects, for errors.
pub const EXPECTED: &str = "an address such as 127.0.0.1:1025, [::1]:1025, localhost:0 or \
                            unix:/run/sinkd.sock, with an optional prefix: lmtp: (LMTP), \
                            submission: (message submission), or smtps: or submissions: (TLS from \
                            the first byte); put proxy: first to expect a PROXY header";

/// Maximum number of listeners. Each worker has a descriptor for each of them.
pub const LISTENERS_MAX: usize = 256;

/// Prefix, protocol, and whether TLS begins with the first octet. Plain SMTP has no prefix.
const PREFIXES: [(&str, Protocol, bool); 4] = [
    ("lmtp:", Protocol::Lmtp, false),
    ("submission:", Protocol::Submission, false),
    ("smtps:", Protocol::Smtp, true),
    ("submissions:", Protocol::Submission, true),
];

/// LMTP must not use this port (RFC 2033 section 5).
const SMTP_PORT: u16 = 25;

impl Listener {
    /// Returns a listener for SMTP at `address`, without options.
    pub fn plain(address: ListenAddress) -> Listener {
        let (protocol, options) = (Protocol::Smtp, ListenerOptions::default());
        Listener { protocol, address, is_tls: false, is_proxied: false, options }
    }

    /// Returns whether both have the same address and protocol, and use TLS and PROXY in the same
    /// way.
    pub fn is_bound_as(&self, other: &Listener) -> bool {
        let bound = |it: &Listener| (it.protocol, it.is_tls, it.is_proxied);
        bound(self) == bound(other) && self.address == other.address
    }

    /// Returns whether the listener serves LMTP on the port on which clients expect SMTP.
    pub fn is_lmtp_on_smtp_port(&self) -> bool {
        let is_smtp_port = matches!(&self.address, ListenAddress::Tcp(a) if a.port() == SMTP_PORT);
        self.protocol == Protocol::Lmtp && is_smtp_port
    }
}

impl ListenAddress {
    /// Returns whether both would bind the same socket. Two ports 0 are different ports.
    pub fn is_same_socket(&self, other: &ListenAddress) -> bool {
        match (self, other) {
            (ListenAddress::Tcp(address), other) => other.is_same_tcp(*address),
            (ListenAddress::Unix(path), ListenAddress::Unix(other)) => path == other,
            _ => false,
        }
    }

    /// Returns whether this is the TCP address `address`, and its port is not 0.
    pub fn is_same_tcp(&self, address: SocketAddr) -> bool {
        matches!(self, ListenAddress::Tcp(own) if *own == address && address.port() != 0)
    }
}

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Listener {
        Listener::plain(ListenAddress::Tcp(address))
    }
}

impl FromStr for Listener {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Listener, BadAddress> {
        let unproxied = text.strip_prefix("proxy:");
        let (is_proxied, text) = (unproxied.is_some(), unproxied.unwrap_or(text));
        let named = PREFIXES.iter().find_map(|(prefix, protocol, is_tls)| {
            text.strip_prefix(prefix).map(|rest| (*protocol, *is_tls, rest))
        });
        let (protocol, is_tls, rest) = named.unwrap_or((Protocol::Smtp, false, text));
        Ok(Listener { protocol, is_tls, is_proxied, ..Listener::plain(rest.parse()?) })
    }
}

impl FromStr for ListenAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<ListenAddress, BadAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.is_empty() || path.contains('\0') => Err(BadAddress),
            Some(path) => Ok(ListenAddress::Unix(path.into())),
            None => parse_tcp(text).map(ListenAddress::Tcp).ok_or(BadAddress),
        }
    }
}

/// Parses an address and a port, such as `127.0.0.1:1025` or `[::1]:1025`. Resolves a name
/// (`localhost:1025`) to its first address.
pub(super) fn parse_tcp(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.to_socket_addrs().ok()?.next())
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_proxied {
            f.write_str("proxy:")?;
        }
        let spoken = (self.protocol, self.is_tls);
        let prefix = PREFIXES.iter().find(|(_, protocol, is_tls)| (*protocol, *is_tls) == spoken);
        if let Some((prefix, ..)) = prefix {
            f.write_str(prefix)?;
        }
        self.address.fmt(f)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_were_written() {
        for text in [
            "127.0.0.1:1025",
            "[::1]:0",
            "lmtp:127.0.0.1:24",
            "submission:127.0.0.1:587",
            "proxy:submission:[::1]:587",
            "smtps:127.0.0.1:465",
            "submissions:[::1]:465",
            "proxy:smtps:127.0.0.1:465",
            "submissions:unix:/run/sinkd.sock",
            "unix:/run/sinkd.sock",
            "unix:relative.sock",
            "lmtp:unix:/run/sinkd:lmtp.sock",
            "proxy:127.0.0.1:25",
            "proxy:lmtp:unix:/run/sinkd.sock",
        ] {
            assert_eq!(text.parse::<Listener>().unwrap().to_string(), text);
        }
        for text in
            ["", "127.0.0.1", "lmtp:", "unix:", "lmtp:unix:", "unix:lmtp:/x", "a b:1", "proxy:"]
        {
            let good = text == "unix:lmtp:/x"; // a relative path with a colon in it
            assert_eq!(text.parse::<Listener>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn lmtp_is_not_offered_on_port_25() {
        for (text, refused) in [
            ("lmtp:127.0.0.1:25", true),
            ("127.0.0.1:25", false),
            ("lmtp:127.0.0.1:2525", false),
            ("lmtp:unix:/run/25", false),
        ] {
            let listener: Listener = text.parse().unwrap();
            assert_eq!(listener.is_lmtp_on_smtp_port(), refused, "{text}");
        }
    }
}
