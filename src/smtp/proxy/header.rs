//! The content of a PROXY header.
use std::net::SocketAddr;

use super::tls::ClientTls;

/// Maximum length of a header, in octets. Version 1 has at most 107 (section 2.1); in version 2,
/// addresses take up to 216 octets, and no known proxy comes near this limit with its TLVs.
pub const HEADER_BYTES_MAX: usize = 4096;

/// A complete header and its length in octets. The octets after it belong to the session.
pub type Whole<'a> = (Header<'a>, usize);

/// The content of a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// The proxy connects on its own behalf, such as for a health check, or does not know its
    /// client (`LOCAL`, `UNKNOWN`, unspecified family). The addresses of the connection apply.
    Local,
    /// The proxy connects on behalf of a client.
    Proxied {
        /// The addresses of the client's connection to the proxy.
        endpoints: Endpoints,
        /// The TLS that the proxy terminated (TLV 0x20), if it reports any.
        tls: Option<ClientTls<'a>>,
    },
}

/// Both ends of the client's connection to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// The client.
    pub source: ClientEnd,
    /// The address that the client connected to; `None` for a Unix socket.
    pub destination: Option<SocketAddr>,
}

/// The client's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket, whose path is ignored.
    Unix,
}
