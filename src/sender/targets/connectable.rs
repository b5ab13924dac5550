//! Chooses one of several addresses.
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::resolved_address::ResolvedAddress;

/// How long to wait for each of several addresses.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the first address that accepts a connection. A single address is returned untested.
///
/// Errors: none accepts within [`CONNECT_TIMEOUT`] each, or there are none.
pub fn connectable(addresses: &[ResolvedAddress]) -> io::Result<ResolvedAddress> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let tried = match address {
            _ if addresses.len() == 1 => Ok(()),
            ResolvedAddress::Unix(path) => UnixStream::connect(path).map(drop),
            ResolvedAddress::Tcp(address) => {
                TcpStream::connect_timeout(address, CONNECT_TIMEOUT).map(drop)
            }
        };
        match tried {
            Ok(()) => return Ok(address.clone()),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn of_several_addresses_one_that_listens_is_taken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listens = ResolvedAddress::Tcp(listener.local_addr().unwrap());
        // Bound but not listening, so that no other process gets the port.
        let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let silent = silent.unwrap();
        silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let there = ResolvedAddress::Tcp(silent.local_addr().unwrap().as_socket().unwrap());
        let both = [there.clone(), listens.clone()];
        assert_eq!(connectable(&both).unwrap(), listens);
        assert_eq!(connectable(&both[..1]).unwrap(), there);
        assert!(connectable(&[]).is_err());
    }
}
