//! The addresses that clients connect to, and their streams.
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub enum Target {
    Smtp(SocketAddr),
    Lmtp(SocketAddr),
    Unix(PathBuf),
}

pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Target {
    pub fn is_lmtp(&self) -> bool {
        matches!(self, Target::Lmtp(_))
    }

    pub fn connect(&self, patience: Duration) -> io::Result<Wire> {
        match self {
            Target::Smtp(address) | Target::Lmtp(address) => {
                let stream = crate::common::connect(*address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Wire::Tcp(stream))
            }
            Target::Unix(path) => {
                let stream = crate::common::connect_unix(path)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Wire::Unix(stream))
            }
        }
    }
}

impl Wire {
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Wire::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.shutdown(how),
            Wire::Unix(stream) => stream.shutdown(how),
        }
    }

    /// Returns the port that identifies this end in the server's log lines.
    pub fn local_port(&self) -> Option<u16> {
        match self {
            Wire::Tcp(stream) => stream.local_addr().ok().map(|address| address.port()),
            Wire::Unix(_) => None,
        }
    }

    /// Makes the close a reset, whatever is still in transit.
    pub fn reset_on_close(&self) {
        if let Wire::Tcp(stream) = self {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read(space),
            Wire::Unix(stream) => stream.read(space),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.write(octets),
            Wire::Unix(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
