//! The target of mail, and whether mail may be sent there: `[lmtp:]HOST:PORT`, `[lmtp:]unix:PATH`.
//!
//! Mail that was made for a test, or caught by one, must not escape by accident. A target is
//! resolved once, all its addresses are checked, and only a checked address is ever connected to.
//! If the name resolves differently a moment later, that changes nothing.
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use super::allowed::{ADDRESSES_MAX, TargetError, judge};
use super::resolved_address::ResolvedAddress;
use crate::smtp::client::Protocol;

/// A target as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The protocol spoken there.
    pub protocol: Protocol,
    /// The address by name, or the path of a socket.
    pub address: TargetAddress,
}

/// Where a target is, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetAddress {
    /// A name or an address without brackets, and a port.
    Host {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a socket in the file system.
    Unix(PathBuf),
}

/// A text that is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected HOST:PORT such as 127.0.0.1:1025, [IPv6]:PORT or unix:PATH, optionally after \
     lmtp: for LMTP, found '{0}'"
)]
pub struct NotATarget(pub String);

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Target, NotATarget> {
        let (protocol, rest) = match text.strip_prefix("lmtp:") {
            Some(rest) => (Protocol::Lmtp, rest),
            None => (Protocol::Smtp, text),
        };
        let address = match rest.strip_prefix("unix:") {
            Some(path) if path.is_empty() || path.contains('\0') => None,
            Some(path) => Some(TargetAddress::Unix(path.into())),
            None => parse_host(rest),
        };
        address
            .map(|address| Target { protocol, address })
            .ok_or_else(|| NotATarget(text.to_owned()))
    }
}

fn parse_host(text: &str) -> Option<TargetAddress> {
    let (host, port) = text.rsplit_once(':')?;
    let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = is_number.then(|| port.parse().ok()).flatten().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(address) => {
            let address = address.strip_suffix(']')?;
            // Addresses with a zone, such as fe80::1%eth0, are resolved by the system.
            address.split('%').next()?.parse::<Ipv6Addr>().ok()?;
            address
        }
        None => host,
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let is_host = text.starts_with('[') || (!host.is_empty() && host.bytes().all(is_name));
    is_host.then(|| TargetAddress::Host { host: host.to_owned(), port })
}

impl Target {
    /// Returns all addresses of the target, each of them allowed; at least one. Costs a name
    /// lookup. Connect only to these, because a later lookup may return others.
    ///
    /// `allow_public` is a host that may be sent to although it is neither this machine nor has a
    /// private address, named as in the target.
    ///
    /// Errors: the name is unknown, or one of its addresses is not allowed.
    pub fn resolve(&self, allow_public: Option<&str>) -> Result<Vec<ResolvedAddress>, TargetError> {
        let (host, port) = match &self.address {
            TargetAddress::Unix(path) => return Ok(vec![ResolvedAddress::Unix(path.clone())]),
            TargetAddress::Host { host, port } => (host, *port),
        };
        let found = (host.as_str(), port).to_socket_addrs();
        let found: Vec<SocketAddr> = found
            .map_err(|source| TargetError::Unresolved { host: host.clone(), source })?
            .take(ADDRESSES_MAX + 1)
            .collect();
        judge(host, &found, allow_public)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol == Protocol::Lmtp {
            f.write_str("lmtp:")?;
        }
        match &self.address {
            TargetAddress::Host { host, port } if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            TargetAddress::Host { host, port } => write!(f, "{host}:{port}"),
            TargetAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_as_they_were_written() {
        for text in [
            "127.0.0.1:1025",
            "localhost:25",
            "mx-1.example_a.test:25",
            "[::1]:25",
            "[::ffff:10.0.0.1]:25",
            "[fe80::1%eth0]:25",
            "lmtp:127.0.0.1:24",
            "unix:/run/sinkd.sock",
            "lmtp:unix:relative:lmtp.sock",
        ] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn invalid_targets_are_refused() {
        for text in [
            "",
            "localhost",
            ":25",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:+25",
            "localhost:smtp",
            "::1:25", // ambiguous without brackets
            "[::1]",
            "[::1]25",
            "[localhost]:25",
            "[127.0.0.1]:25",
            "[]:25",
            "a b:25",
            "a\r\nb:25",
            "user@host:25",
            "http://host:25",
            "unix:",
            "unix:/a\0b",
            "lmtp:",
            "lmtp:lmtp:host:25",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_are_taken_as_they_are() {
        let resolve = |text: &str, allow: Option<&str>| {
            let addresses = text.parse::<Target>().unwrap().resolve(allow);
            addresses.map(|all| all.iter().map(|a| a.to_string()).collect::<Vec<_>>().join(" "))
        };
        for (text, allow, expected) in [
            ("127.0.0.1:25", None, "127.0.0.1:25"),
            ("[::1]:25", None, "[::1]:25"),
            ("[2001:db8::1]:25", Some("2001:db8::1"), "[2001:db8::1]:25"),
            ("[2001:db8::1]:25", Some("[2001:db8::1]"), "[2001:db8::1]:25"),
            ("unix:/tmp/x", None, "unix:/tmp/x"),
        ] {
            assert_eq!(resolve(text, allow).unwrap(), expected, "{text}");
        }
        assert!(matches!(resolve("8.8.8.8:25", None), Err(TargetError::Public { .. })));
    }
}
