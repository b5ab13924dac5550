//! Names that a certificate can have.
use std::net::IpAddr;

use rustls::pki_types::DnsName;

/// Returns whether `name` is an IP address or a DNS name, and so can be in a certificate.
pub fn is_server_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || DnsName::try_from(name).is_ok()
}
