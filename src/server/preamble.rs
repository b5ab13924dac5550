//! What a connection of a proxied listener begins with: a PROXY header, before any greeting.
use std::ops::ControlFlow;

use ipnet::IpNet;

use crate::smtp::envelope::Client;
use crate::smtp::proxy::{self, Header, Source};

use super::conn::{Conn, Flow};
use super::input::{Consumed, Input};
use super::shared::WorkerShared;

/// How long a header may take to come, ms from accepting the connection.
pub(super) const PREAMBLE_MS: u64 = 5000;

/// Reads the header. Nothing is said before it is there; where there is none, nothing at all.
#[cold]
pub(super) fn read_header(
    conn: &mut Conn,
    shared: &mut WorkerShared,
    input: &mut Input,
) -> ControlFlow<Consumed> {
    let (header, octets) = match proxy::parse(input.unread()) {
        Ok(None) => return ControlFlow::Break(Consumed::All),
        Ok(Some(whole)) => whole,
        Err(error) => {
            tracing::debug!(peer = %conn.client, %error, "the connection is closed");
            shared.ledger.recording.proxy_refused();
            return ControlFlow::Break(Consumed::Unwanted);
        }
    };
    match header {
        Header::Local => conn.is_session = false,
        Header::Proxied { endpoints, tls } => {
            let client = match endpoints.source {
                Source::Tcp(address) => Client::Tcp(address),
                Source::Unix => Client::Unix,
            };
            conn.session.speak_for(client, tls.as_ref());
            conn.client = client;
            conn.is_session = true;
        }
    }
    conn.flow = Flow::COMMANDS;
    input.consume(octets);
    ControlFlow::Break(Consumed::Identified)
}

/// Whether headers of `peer` are believed. Who may connect to a Unix socket, its owner decides.
pub(super) fn is_trusted(peer: Client, networks: &[IpNet]) -> bool {
    let Some(address) = peer.ip() else { return true };
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_trusted_by_network_and_unix_sockets_always() {
        let networks: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|it| it.parse().unwrap()).collect();
        for (peer, is_expected) in [
            ("10.1.2.3:1", true),
            ("[::ffff:10.1.2.3]:1", true),
            ("[fd00::1]:1", true),
            ("11.1.2.3:1", false),
            ("[fe80::1]:1", false),
            ("127.0.0.1:1", false),
        ] {
            let peer = Client::Tcp(peer.parse().unwrap());
            assert_eq!(is_trusted(peer, &networks), is_expected, "{peer}");
        }
        assert!(is_trusted(Client::Unix, &[]));
    }
}
