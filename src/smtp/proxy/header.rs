//! What a header says.
use std::net::SocketAddr;

use super::tls::ClientTls;

/// What a proxy says of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// The proxy speaks for itself, as in a health check, or does not know its client (`LOCAL`,
    /// `UNKNOWN`, unspecified family): the connection's own addresses count.
    Local,
    /// The proxy speaks for a client.
    Proxied {
        /// Who connected to the proxy, and where.
        endpoints: Endpoints,
        /// The TLS that the proxy has taken off (TLV 0x20), if it says so.
        tls: Option<ClientTls<'a>>,
    },
}

/// Both ends of the client's connection to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client.
    pub source: Source,
    /// Where it connected to; `None` for a Unix socket.
    pub destination: Option<SocketAddr>,
}

/// The client's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket, whose path says nothing here.
    Unix,
}
