//! Which addresses mail may be sent to.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::resolved_address::ResolvedAddress;

/// Maximum number of addresses of a name; one with more does not belong to a mail server.
pub const ADDRESSES_MAX: usize = 64;

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
    #[error("{host} is not the public host that is allowed ({allowed})")]
    OtherAllowed {
        /// The host as named in the target.
        host: String,
        /// The host that the caller allows.
        allowed: String,
    },
}

/// Formats a host with its address, or only the address if the host was named by it.
fn named(host: &str, address: IpAddr) -> String {
    if host.parse() == Ok(address) { host.to_owned() } else { format!("{host} ({address})") }
}

/// Checks that all addresses are allowed.
pub fn judge(
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

#[cfg(test)]
mod tests {
    use super::*;

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
        check(
            &["8.8.8.8:25"],
            Some("8.8.8.8"),
            Err("mx.test is not the public host that is allowed (8.8.8.8)"),
        );
        check(&["8.8.8.8:25"], Some(""), Err("mx.test is not the public host"));
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
}
