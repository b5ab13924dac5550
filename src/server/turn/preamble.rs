//! The PROXY header with which a connection to a proxied listener begins, before any greeting.
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use ipnet::IpNet;

use crate::smtp::envelope::Client;
use crate::smtp::proxy::{self, ClientEnd, Header};

use super::worker_context::WorkerContext;
use crate::server::connection::{Conn, Consumed, Flow, Input};

/// Time limit for the header, ms after the connection was accepted.
pub(crate) const PREAMBLE_TIME: Duration = Duration::from_secs(5);

/// Reads the header. sinkd sends nothing before the header is complete, and nothing at all if it is
/// invalid.
#[cold]
pub(crate) fn read_header(
    conn: &mut Conn,
    worker: &mut WorkerContext,
    input: &mut Input,
) -> ControlFlow<Consumed> {
    let (header, octets) = match proxy::parse(input.unread()) {
        Ok(None) => return ControlFlow::Break(Consumed::All),
        Ok(Some(whole)) => whole,
        Err(error) => {
            worker.refuse_as_proxy(conn.client, error);
            return ControlFlow::Break(Consumed::Unwanted);
        }
    };
    if let Header::Proxied { endpoints, tls } = header {
        let client = client_of(endpoints.source);
        // In a health check, HAProxy's version 1 header names HAProxy's own end of the connection.
        conn.is_session = client != conn.client || client == Client::Unix;
        if conn.is_session {
            conn.session.set_client(client, tls.as_ref());
            conn.client = client;
        }
    }
    conn.flow = Flow::COMMANDS;
    input.consume(octets);
    ControlFlow::Break(Consumed::Identified)
}

/// Handles a peer that closed before its header was complete: either it only checked whether sinkd
/// listens, or it was cut off.
#[cold]
pub(crate) fn end_of_preamble(conn: &Conn, worker: &mut WorkerContext, input: &Input) {
    if input.is_empty() {
        worker.ledger.measurements.identified(conn)
    } else {
        worker.refuse_as_proxy(conn.client, "its header was cut off")
    }
}

/// Returns the client with its address in canonical form: load balancers that listen on IPv6 send
/// mapped IPv4 addresses.
fn client_of(source: ClientEnd) -> Client {
    match source {
        ClientEnd::Tcp(address) => {
            Client::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        ClientEnd::Unix => Client::Unix,
    }
}

/// Returns whether headers from `peer` are trusted. For a Unix socket they always are: its owner
/// decides who can connect.
pub(crate) fn is_trusted(peer: Client, networks: &[IpNet]) -> bool {
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
