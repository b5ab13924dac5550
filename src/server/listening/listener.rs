//! Binding the configured addresses, with one socket per address for each worker.
use std::net::SocketAddr;

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, Socket, Type};

use super::bind_error::ListenError;
use super::stream::Acceptor;
use super::unix::{self, SocketFile};
use crate::config::{ListenAddress, Listener};

/// The bound sockets.
#[derive(Debug)]
pub struct Sockets {
    /// The listeners with their actual ports, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// For each worker, a listener for each address.
    pub per_worker: Vec<Vec<Acceptor>>,
    /// Files of the Unix sockets; dropping this removes them.
    pub files: Vec<SocketFile>,
}

/// Binds every TCP address once for each worker.
///
/// The first socket of a group starts to listen without SO_REUSEPORT, and only then lets the others
/// join: with the option from the start, a second sinkd would silently take half of the
/// connections. A Unix socket is bound once and all workers accept from it: whichever worker is
/// awake accepts a connection, and admission chooses the worker that serves it.
pub fn bind_all(wanted: &[Listener], workers: usize, backlog: i32) -> Result<Sockets, ListenError> {
    let per_worker = (0..workers).map(|_| Vec::new()).collect();
    let mut sockets = Sockets { listeners: Vec::new(), per_worker, files: Vec::new() };
    for listener in wanted {
        let address = match &listener.address {
            ListenAddress::Tcp(address) => ListenAddress::Tcp(sockets.bind_tcp(*address, backlog)?),
            ListenAddress::Unix(path) => {
                let (socket, file) = unix::listen(path, backlog)?;
                sockets.files.push(file);
                for acceptors in &mut sockets.per_worker {
                    let address = listener.address.clone();
                    let io = |source| ListenError::Io { address, source };
                    let shared = UnixListener::from_std(socket.try_clone().map_err(io)?);
                    acceptors.push(Acceptor::Unix(shared));
                }
                listener.address.clone()
            }
        };
        sockets.listeners.push(Listener { address, ..listener.clone() });
    }
    Ok(sockets)
}

impl Sockets {
    fn bind_tcp(&mut self, address: SocketAddr, backlog: i32) -> Result<SocketAddr, ListenError> {
        let first = bind(address, Sharing::Alone)?;
        let real = local_address(&first, address)?;
        let first = listen(first, real, backlog)?;
        for (worker, acceptors) in self.per_worker.iter_mut().enumerate() {
            let listener = match worker {
                0 => first.try_clone().map_err(|source| in_use_or(source, real))?,
                _ => listen(bind(real, Sharing::Group)?, real, backlog)?,
            };
            acceptors.push(Acceptor::Tcp(TcpListener::from_std(listener.into())));
        }
        Ok(real)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Sharing {
    Alone,
    Group,
}

fn bind(address: SocketAddr, sharing: Sharing) -> Result<Socket, ListenError> {
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
    attempt().map_err(|source| in_use_or(source, address))
}

fn in_use_or(source: std::io::Error, address: SocketAddr) -> ListenError {
    let address = ListenAddress::Tcp(address);
    match source.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Io { address, source },
    }
}

/// Makes `socket` listen. From then on, other sockets can join its group.
///
/// If two sockets are bound to one port, each without SO_REUSEPORT, only one can start to listen.
/// So if two sinkds start at the same time, one of them fails here.
fn listen(socket: Socket, address: SocketAddr, backlog: i32) -> Result<Socket, ListenError> {
    let attempt = || {
        // On Linux, accepted sockets inherit TCP_NODELAY; elsewhere Nagle's algorithm may delay a
        // reply.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.listen(backlog)?;
        socket.set_reuse_port(true)
    };
    attempt().map_err(|source| in_use_or(source, address))?;
    Ok(socket)
}

fn local_address(socket: &Socket, address: SocketAddr) -> Result<SocketAddr, ListenError> {
    let io = |source| ListenError::Io { address: ListenAddress::Tcp(address), source };
    let real = socket.local_addr().map_err(io)?;
    Ok(real.as_socket().expect("an IP socket has an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> Listener {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn port_zero_gives_every_worker_the_same_real_port() {
        let sockets = bind_all(&[any()], 3, 16).unwrap();
        let ListenAddress::Tcp(real) = sockets.listeners[0].address else {
            panic!("a TCP address")
        };
        assert_ne!(real.port(), 0);
        for listeners in &sockets.per_worker {
            let Acceptor::Tcp(listener) = &listeners[0] else { panic!("a TCP listener") };
            assert_eq!(listener.local_addr().unwrap(), real);
        }
    }

    /// Listening is what claims a port, so one of two simultaneous starts wins.
    #[test]
    fn only_one_of_two_sockets_bound_to_a_port_can_listen() {
        let claim = || bind("127.0.0.1:0".parse().unwrap(), Sharing::Alone).unwrap();
        let first = claim();
        let real = first.local_addr().unwrap().as_socket().unwrap();
        // Neither listens yet, so both can be bound: both starts are at the same point.
        let second = bind(real, Sharing::Alone).unwrap();
        let first = listen(first, real, 16).unwrap();
        let refused = listen(second, real, 16);
        assert!(matches!(refused, Err(ListenError::InUse { .. })), "{refused:?}");
        let third = bind(real, Sharing::Alone);
        assert!(matches!(third, Err(ListenError::InUse { .. })), "{third:?}");
        drop(first);
    }

    #[test]
    fn an_address_in_use_is_an_error_even_if_the_port_could_be_shared() {
        let first = bind_all(&[any()], 1, 16).unwrap();
        let again = bind_all(&first.listeners, 1, 16);
        assert!(matches!(again, Err(ListenError::InUse { .. })), "{again:?}");
    }
}
