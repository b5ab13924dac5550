//! What a header says.
use std::net::SocketAddr;

use super::tls::ClientTls;

/// Longest header that is accepted, octets: version 1 has 107 at most (section 2.1), and of version
/// 2 no sender is known that comes near (addresses of 216 octets, and TLVs).
pub const HEADER_BYTES_MAX: usize = 4096;

/// A whole header, and its length in octets: what follows is the session's.
pub type Whole<'a> = (Header<'a>, usize);

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
    pub source: ClientEnd,
    /// Where it connected to; `None` for a Unix socket.
    pub destination: Option<SocketAddr>,
}

/// The client's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket, whose path says nothing here.
    Unix,
}
