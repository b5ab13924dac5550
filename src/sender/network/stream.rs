//! Sockets to the target: TCP and Unix sockets as one type.
use std::io::{self, IoSlice, Read, Write};

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::sender::targets::ResolvedAddress;

/// A connection's socket.
#[derive(Debug)]
pub enum TargetStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Makes the same call on either kind of socket.
macro_rules! either {
    ($this:expr, $socket:ident => $call:expr) => {
        match $this {
            TargetStream::Tcp($socket) => $call,
            TargetStream::Unix($socket) => $call,
        }
    };
}

impl TargetStream {
    /// Begins to connect; an event of `token` reports completion. Events are edge-triggered, and
    /// interest in writability costs nothing while writes do not block, so both kinds are
    /// registered at once.
    pub fn connect(
        address: &ResolvedAddress,
        registry: &Registry,
        token: Token,
    ) -> io::Result<TargetStream> {
        let mut stream = match address {
            ResolvedAddress::Tcp(address) => TargetStream::Tcp(TcpStream::connect(*address)?),
            ResolvedAddress::Unix(path) => TargetStream::Unix(UnixStream::connect(path)?),
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        either!(&mut stream, socket => registry.register(socket, token, both))?;
        Ok(stream)
    }

    /// Returns whether the socket is connected. Errors: the connection failed.
    pub fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = either!(self, socket => socket.take_error())? {
            return Err(error);
        }
        let peer = match self {
            TargetStream::Tcp(socket) => socket.peer_addr().map(drop),
            TargetStream::Unix(socket) => socket.peer_addr().map(drop),
        };
        match peer {
            Ok(()) => {
                if let TargetStream::Tcp(socket) = self {
                    // Commands are small, and each is followed by waiting for its reply.
                    socket.set_nodelay(true)?;
                }
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.read(buffer))
    }

    /// Writes some octets. A single slice is sent by send(2), which is cheaper than writev(2).
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [octets] => either!(self, socket => socket.write(octets)),
            _ => either!(self, socket => socket.write_vectored(slices)),
        }
    }
}
