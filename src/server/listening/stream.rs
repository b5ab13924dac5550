//! One type for TCP and Unix sockets: an enum, so that a call costs one well-predicted branch.
use std::io::{self, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

use crate::server::sys;
use crate::smtp::envelope::Client;

/// The events a connection is registered for while it reads: input, and TCP's urgent data.
#[cfg(all(not(sinkd_portable), any(target_os = "linux", target_os = "android")))]
pub const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
/// Elsewhere reads continue until the socket is empty, so they need no event for urgent data.
#[cfg(any(sinkd_portable, not(any(target_os = "linux", target_os = "android"))))]
pub const READING: Interest = Interest::READABLE;

/// Returns whether the peer has sent urgent data: a read ends at the urgent mark, with more after
/// it.
pub fn is_urgent(event: &mio::event::Event) -> bool {
    event.is_priority()
}

/// The events that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketInterest {
    /// Input.
    Reads,
    /// Input, and room in the socket for output.
    ReadsAndWrites,
}

/// A connection's socket.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A listening socket.
#[derive(Debug)]
pub enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// Returns the next connection in the queue, and its client.
    pub fn accept(&self) -> io::Result<(Stream, Client)> {
        match self {
            Acceptor::Tcp(listener) => {
                listener.accept().map(|(s, client)| (Stream::Tcp(s), Client::Tcp(client)))
            }
            Acceptor::Unix(listener) => {
                listener.accept().map(|(s, _)| (Stream::Unix(s), Client::Unix))
            }
        }
    }
}

/// Makes the same call on a socket of either kind.
macro_rules! either {
    ($of:ident, $this:expr, $socket:ident => $call:expr) => {
        match $this {
            $of::Tcp($socket) => $call,
            $of::Unix($socket) => $call,
        }
    };
}

impl Acceptor {
    /// Returns the number of connections waiting to be accepted; 0 where the kernel doesn't report
    /// it.
    pub fn queue_length(&self) -> u64 {
        match self {
            Acceptor::Tcp(listener) => {
                sys::tcp_info(listener.as_fd()).map_or(0, |info| info.accept_queue)
            }
            Acceptor::Unix(_) => 0,
        }
    }
}

impl Stream {
    /// Returns whether a short read may leave octets in the socket: over a Unix socket, a read ends
    /// where a descriptor was passed (unix(7), `SCM_RIGHTS`).
    pub fn short_reads_leave_more(&self) -> bool {
        matches!(self, Stream::Unix(_))
    }

    /// Returns the kernel's figures for the connection; `None` for a Unix socket.
    pub fn tcp_info(&self) -> Option<sys::TcpInfo> {
        match self {
            Stream::Tcp(socket) => sys::tcp_info(socket.as_fd()),
            Stream::Unix(_) => None,
        }
    }

    /// Returns the number of the descriptor, by which a simulation recognizes the connection.
    #[cfg(feature = "testkit")]
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        either!(Stream, self, socket => std::os::fd::AsRawFd::as_raw_fd(socket))
    }

    /// Shuts down the given directions.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(Stream, self, socket => socket.shutdown(how))
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.read(space))
    }

    #[inline]
    fn read_vectored(&mut self, spaces: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.read_vectored(spaces))
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! source {
    ($of:ident) => {
        impl Source for $of {
            fn register(&mut self, r: &Registry, token: Token, i: Interest) -> io::Result<()> {
                either!($of, self, socket => socket.register(r, token, i))
            }

            fn reregister(&mut self, r: &Registry, token: Token, i: Interest) -> io::Result<()> {
                either!($of, self, socket => socket.reregister(r, token, i))
            }

            fn deregister(&mut self, r: &Registry) -> io::Result<()> {
                either!($of, self, socket => socket.deregister(r))
            }
        }
    };
}

source!(Stream);
source!(Acceptor);
