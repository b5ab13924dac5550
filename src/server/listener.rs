//! Addresses to listen on, one socket of each for every worker.
use std::net::SocketAddr;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// An address that can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "{address} is already in use: stop what listens there, or choose another with --listen"
    )]
    InUse { address: SocketAddr },
    #[error("can't listen on {address}: {source}")]
    Io { address: SocketAddr, source: std::io::Error },
}

/// Everything that is bound.
#[derive(Debug)]
pub struct Sockets {
    /// With real ports, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    /// For each worker, a listener for each address.
    pub per_worker: Vec<Vec<TcpListener>>,
}

/// Binds every address once for each worker.
///
/// Before a group is made, its address is bound without SO_REUSEPORT: with the option alone a
/// second sinkd would silently take half of the connections.
pub fn bind_all(wanted: &[SocketAddr], workers: usize, backlog: i32) -> Result<Sockets, BindError> {
    let mut sockets =
        Sockets { addresses: Vec::new(), per_worker: (0..workers).map(|_| Vec::new()).collect() };
    for address in wanted {
        let probe = bind(*address, Sharing::Alone)?;
        let real = local_address(&probe, *address)?;
        drop(probe);
        for listeners in &mut sockets.per_worker {
            listeners.push(listen(real, backlog)?);
        }
        sockets.addresses.push(real);
    }
    Ok(sockets)
}

#[derive(Clone, Copy, PartialEq)]
enum Sharing {
    Alone,
    Group,
}

fn bind(address: SocketAddr, sharing: Sharing) -> Result<Socket, BindError> {
    let attempt = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if sharing == Sharing::Group {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    };
    attempt().map_err(|source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => BindError::InUse { address },
        _ => BindError::Io { address, source },
    })
}

fn listen(address: SocketAddr, backlog: i32) -> Result<TcpListener, BindError> {
    let socket = bind(address, Sharing::Group)?;
    let io = |source| BindError::Io { address, source };
    // Accepted sockets inherit TCP_NODELAY on Linux; elsewhere a reply may wait for Nagle.
    socket.set_tcp_nodelay(true).map_err(io)?;
    socket.set_nonblocking(true).map_err(io)?;
    socket.listen(backlog).map_err(io)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn local_address(socket: &Socket, address: SocketAddr) -> Result<SocketAddr, BindError> {
    let io = |source| BindError::Io { address, source };
    let real = socket.local_addr().map_err(io)?;
    Ok(real.as_socket().expect("an IP socket has an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_gives_every_worker_the_same_real_port() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let sockets = bind_all(&[any], 3, 16).unwrap();
        let port = sockets.addresses[0].port();
        assert_ne!(port, 0);
        for listeners in &sockets.per_worker {
            assert_eq!(listeners[0].local_addr().unwrap().port(), port);
        }
    }

    #[test]
    fn an_address_in_use_is_an_error_although_the_port_could_be_shared() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = bind_all(&[any], 1, 16).unwrap();
        let again = bind_all(&first.addresses, 1, 16);
        assert!(matches!(again, Err(BindError::InUse { .. })), "{again:?}");
    }
}
