//! Addresses to which a sender connects.
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address of the target. Names are already resolved, so the checked address is the one used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ResolvedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolvedAddress::Tcp(address) => address.fmt(f),
            ResolvedAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
