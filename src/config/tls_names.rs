//! The names in the certificate that sinkd makes: those that clients can connect to.
use std::net::IpAddr;

use super::{Config, ListenAddress, Listener};
use crate::tls::is_server_name;

/// Names by which clients on this machine connect to a local listener.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Returns the names for a certificate, without duplicates: the host name of the machine, those in
/// the settings, the local names and addresses, and the addresses of `listeners`. Names that no
/// certificate can contain are left out.
pub(super) fn tls_names(config: &Config, listeners: &[Listener]) -> Vec<String> {
    let machine = rustix::system::uname();
    let own = listeners.iter().filter_map(|listener| listener.options.hostname.as_deref());
    let hosts = [&*machine.nodename().to_string_lossy(), &config.hostname];
    let hosts = hosts.into_iter().chain(own).map(host).collect::<Vec<_>>();
    let addresses = listeners.iter().filter_map(bound_to).map(|address| address.to_string());
    let all = hosts.into_iter().chain(LOCAL.map(String::from)).chain(addresses);
    let mut names: Vec<String> = Vec::new();
    for name in all.filter(|name| is_server_name(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Returns a host name as it appears in a certificate: in lower case, `mx.example` for
/// `mx.example.`, and an address for `[192.0.2.1]`.
fn host(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = literal.map(|text| text.strip_prefix("ipv6:").unwrap_or(text));
    match address.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(address) => address.to_string(),
        None => name.trim_end_matches('.').to_owned(),
    }
}

/// Returns the address of a listener, unless it is a wildcard or a Unix socket.
fn bound_to(listener: &Listener) -> Option<IpAddr> {
    match &listener.address {
        ListenAddress::Tcp(address) => Some(address.ip()).filter(|ip| !ip.is_unspecified()),
        ListenAddress::Unix(_) => None,
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn names_of_settings_and_machine_are_listed_once() {
        let mut config = Config { hostname: "MX.example.".into(), ..Config::default() };
        let listen = ["10.0.0.7:25", "0.0.0.0:26", "[::1]:27", "unix:/run/s", "10.0.0.7:28"];
        config.listen = listen.iter().map(|text| text.parse().unwrap()).collect();
        config.listen[0].options.hostname = Some("[IPv6:2001:DB8:0::7]".into());
        config.listen[1].options.hostname = Some("no name, surely".into());
        let names = tls_names(&config, &config.listen);
        let expected = ["mx.example", "2001:db8::7", "localhost", "127.0.0.1", "::1", "10.0.0.7"];
        // Before them is the name of the machine that runs the test, if it is a valid name.
        assert!(names.ends_with(&expected.map(String::from)), "{names:?}");
        assert!(names.len() <= expected.len() + 1, "{names:?}");
    }
}
