//! The target of mail, and whether mail may be sent there: `[lmtp:]HOST:PORT`, `[lmtp:]unix:PATH`.
//!
//! Mail that was made for a test, or caught by one, must not escape by accident. A target is
//! resolved once, all its addresses are checked, and only a checked address is ever connected to.
//! If the name resolves differently a moment later, that changes nothing.
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::resolved_address::ResolvedAddress;
use crate::smtp::client::Protocol;

/// Maximum number of addresses of a name; one with more does not belong to a mail server.
const ADDRESSES_MAX: usize = 64;
/// How long to wait for each of several addresses.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    "expected HOST:PORT such as 127.0.0.1:1025, [IPv6]:PORT or unix:PATH, each with the prefix \
     lmtp: for LMTP, found '{0}'"
)]
pub struct NotATarget(pub String);

/// Why mail is not sent to a target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The host does not exist.
    #[error("{host}: cannot be resolved (is the name right?)")]
    Unresolved {
        /// The name as the user gave it.
        host: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The name exists, but has no address.
    #[error("{host}: expected a name with an address, found none; is the name right?")]
    NoAddress {
        /// The name as the user gave it.
        host: String,
    },
    /// The name has more addresses than a mail server would have.
    #[error("{host}: expected at most {ADDRESSES_MAX} addresses, found more; choose one of them")]
    TooMany {
        /// The name as the user gave it.
        host: String,
    },
    /// The address does not belong to a single host.
    #[error("{address} is not the address of a single host; choose another one")]
    NotOneMachine {
        /// The multicast or broadcast address.
        address: IpAddr,
    },
    /// The address may belong to a stranger.
    #[error(
        "{} is not a local or private address, so real people may receive the mail",
        named(host, *address)
    )]
    Public {
        /// The name as the user gave it.
        host: String,
        /// The first public address of the host.
        address: IpAddr,
    },
    /// The caller allows another public host.
    #[error("the target is {host}, but the public host that may receive mail is {allowed}")]
    OtherAllowed {
        /// The host as named in the target.
        host: String,
        /// The host that the caller allows.
        allowed: String,
    },
}

/// Formats a host with its address, or only the address if the host was named by it.
fn named(host: &str, address: IpAddr) -> String {
    match host.parse() == Ok(address) {
        true => host.to_owned(),
        false => format!("{host} ({address})"),
    }
}

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

/// Checks that all addresses are allowed.
fn judge(
    host: &str,
    found: &[SocketAddr],
    allow_public: Option<&str>,
) -> Result<Vec<ResolvedAddress>, TargetError> {
    if found.is_empty() {
        return Err(TargetError::NoAddress { host: host.to_owned() });
    }
    if found.len() > ADDRESSES_MAX {
        return Err(TargetError::TooMany { host: host.to_owned() });
    }
    let allowed = allow_public.map(|name| name.trim_start_matches('[').trim_end_matches(']'));
    for address in found.iter().map(SocketAddr::ip) {
        if is_unassigned(address) {
            return Err(TargetError::NotOneMachine { address });
        }
        if is_private(address) {
            continue;
        }
        let host = host.to_owned();
        match allowed {
            Some(allowed) if allowed.eq_ignore_ascii_case(&host) => {}
            Some(allowed) => {
                return Err(TargetError::OtherAllowed { host, allowed: allowed.to_owned() });
            }
            None => return Err(TargetError::Public { host, address }),
        }
    }
    let mut addresses: Vec<ResolvedAddress> = Vec::with_capacity(found.len());
    for address in found.iter().map(|address| ResolvedAddress::Tcp(*address)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// Returns the first address that accepts a connection. A single address is returned untested.
///
/// Errors: none accepts within [`CONNECT_TIMEOUT`] each, or there are none.
pub fn connectable(addresses: &[ResolvedAddress]) -> io::Result<ResolvedAddress> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let tried = match address {
            _ if addresses.len() == 1 => Ok(()),
            ResolvedAddress::Unix(path) => UnixStream::connect(path).map(drop),
            ResolvedAddress::Tcp(address) => {
                TcpStream::connect_timeout(address, CONNECT_TIMEOUT).map(drop)
            }
        };
        match tried {
            Ok(()) => return Ok(address.clone()),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

/// Returns whether the address is multicast or broadcast, so that no single machine has it.
fn is_unassigned(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

/// Returns whether the address belongs to this machine or to a private network.
///
/// That includes loopback (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3); the unspecified
/// address, which Linux treats as loopback; private (RFC 1918), unique local (RFC 4193) and
/// link-local addresses (RFC 3927, RFC 4291 section 2.5.6). IPv4 addresses mapped into IPv6 are
/// treated as IPv4. It excludes carrier-grade NAT (RFC 6598) and addresses that a gateway
/// translates (6to4, NAT64).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip == Ipv4Addr::UNSPECIFIED || ip.is_private() || ip.is_link_local()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip == Ipv6Addr::UNSPECIFIED
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
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
    fn private_addresses() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("0.0.0.0", true), // Linux connects to loopback
            ("0.0.0.1", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.0.1", true),
            ("192.169.0.0", false),
            ("169.254.0.1", true),
            ("169.255.0.1", false),
            ("100.64.0.1", false), // RFC 6598
            ("192.0.2.1", false),  // RFC 5737: for documentation, not private
            ("8.8.8.8", false),
            ("::1", true),
            ("::", true),
            ("::2", false),
            ("fc00::1", true),
            ("fdff:ffff::1", true),
            ("fbff::1", false),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", false), // site-local, deprecated by RFC 3879
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("::ffff:127.0.0.1", true),
            ("::10.0.0.1", false), // IPv4-compatible, deprecated by RFC 4291
            ("64:ff9b::a00:1", false), // NAT64 of 10.0.0.1
            ("2002:a00:1::", false), // 6to4 of 10.0.0.1
        ] {
            assert_eq!(is_private(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(found: &[&str], allow_public: Option<&str>, expected: Result<usize, &str>) {
        let found: Vec<SocketAddr> = found.iter().map(|text| text.parse().unwrap()).collect();
        match (judge("mx.test", &found, allow_public), expected) {
            (Ok(addresses), Ok(count)) => assert_eq!(addresses.len(), count, "{found:?}"),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (got, _) => panic!("{found:?} {allow_public:?}: {got:?}"),
        }
    }

    #[test]
    fn every_address_of_a_name_must_be_allowed() {
        let public = "not a local or private address";
        check(&["127.0.0.1:25"], None, Ok(1));
        check(&["127.0.0.1:25", "127.0.0.1:25", "[::1]:25"], None, Ok(2));
        check(&["127.0.0.1:25", "8.8.8.8:25"], None, Err(public)); // one is enough
        check(&["8.8.8.8:25"], None, Err(public));
        check(&["8.8.8.8:25"], Some("mx.test"), Ok(1));
        check(&["8.8.8.8:25"], Some("MX.test"), Ok(1));
        check(&["8.8.8.8:25"], Some("8.8.8.8"), Err("mail is 8.8.8.8"));
        check(&["8.8.8.8:25"], Some(""), Err("the target is mx.test, but "));
        check(&["127.0.0.1:25"], Some("other.test"), Ok(1)); // nothing had to be allowed
        check(&["224.0.0.1:25"], Some("mx.test"), Err("not the address of a single host"));
        check(&["255.255.255.255:25"], Some("mx.test"), Err("not the address of a single host"));
        check(&["[ff02::1]:25"], None, Err("not the address of a single host"));
        check(&[], None, Err("mx.test: expected a name with an address, found none"));
        for (count, expected) in [
            (63, Ok(1)),
            (64, Ok(1)),
            (65, Err("mx.test: expected at most 64 addresses, found more")),
        ] {
            check(&vec!["10.0.0.1:25"; count], None, expected);
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

    #[test]
    fn of_several_addresses_one_that_listens_is_taken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listens = ResolvedAddress::Tcp(listener.local_addr().unwrap());
        // Bound but not listening, so that no other process gets the port.
        let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let silent = silent.unwrap();
        silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let there = ResolvedAddress::Tcp(silent.local_addr().unwrap().as_socket().unwrap());
        let both = [there.clone(), listens.clone()];
        assert_eq!(connectable(&both).unwrap(), listens);
        assert_eq!(connectable(&both[..1]).unwrap(), there);
        assert!(connectable(&[]).is_err());
    }
}
