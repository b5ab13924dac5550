//! Names that a certificate may have.
use std::net::IpAddr;

use rustls::pki_types::DnsName;

/// Returns whether `name` is an IP address or a name of DNS, so that a certificate may have it.
pub fn is_server_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || DnsName::try_from(name).is_ok()
}
