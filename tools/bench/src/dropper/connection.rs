//! One connection: its socket, its session, and TLS between them.
use std::io::{self, ErrorKind, Read, Write};

use memchr::memmem::Finder;
use mio::net::TcpStream;
use sinkd_bench::canned::END_OF_DATA;

use super::session::{BANNER, Session, StartTls, Wish};
use super::tls::{Buffers, Opened, Tls, TlsServer};

/// Bytes of one receive, at least.
const READ_BYTES: usize = 64 << 10;

/// How the first octets of a connection are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Plain,
    /// TLS from the first byte.
    Tls,
}

/// Whether a connection continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Stays,
    Ends,
}

pub struct Connection {
    pub socket: TcpStream,
    session: Session,
    tls: Option<Tls>,
    /// The beginning of a record.
    held: Vec<u8>,
    /// Octets that the socket did not accept.
    unsent: Vec<u8>,
}

/// What all connections share. Buffers are empty between two turns.
pub struct Shared {
    tls: Option<TlsServer>,
    /// Holds an incomplete record and a read.
    input: Vec<u8>,
    replies: Vec<u8>,
    out: Vec<u8>,
    end_of_data: Finder<'static>,
}

impl Shared {
    pub fn new(tls: Option<TlsServer>) -> Shared {
        Shared {
            tls,
            input: vec![0; 2 * READ_BYTES],
            replies: Vec::new(),
            out: Vec::new(),
            end_of_data: Finder::new(END_OF_DATA),
        }
    }
}

impl Connection {
    /// Greets the client, after the handshake if TLS comes first.
    pub fn accepted(
        socket: TcpStream,
        opening: Opening,
        shared: &Shared,
    ) -> io::Result<Connection> {
        let (tls, start_tls) = match (opening, &shared.tls) {
            (Opening::Tls, Some(server)) => (Some(server.connection()?), StartTls::Absent),
            (_, Some(_)) => (None, StartTls::Offered),
            (_, None) => (None, StartTls::Absent),
        };
        let session = Session::new(start_tls);
        let mut connection =
            Connection { socket, session, tls, held: Vec::new(), unsent: Vec::new() };
        match &mut connection.tls {
            Some(tls) => tls.greet()?,
            None => connection.send(BANNER)?,
        }
        Ok(connection)
    }

    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        if self.unsent.is_empty() {
            sent = match self.socket.write(octets) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                other => other?,
            };
        }
        self.unsent.extend_from_slice(&octets[sent..]);
        Ok(())
    }

    fn send_unsent(&mut self) -> io::Result<()> {
        let octets = std::mem::take(&mut self.unsent);
        match octets.is_empty() {
            true => Ok(()),
            false => self.send(&octets),
        }
    }

    /// Sends what waits, then reads until the socket is empty.
    pub fn turn(&mut self, shared: &mut Shared) -> io::Result<Fate> {
        self.send_unsent()?;
        loop {
            let held_bytes = self.held.len();
            shared.input[..held_bytes].copy_from_slice(&self.held);
            let room = &mut shared.input[held_bytes..];
            let requested_bytes = room.len();
            let bytes = match self.socket.read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fate::Stays),
                other => other?,
            };
            self.held.clear();
            if bytes == 0 || self.take(shared, held_bytes + bytes)? == Fate::Ends {
                return Ok(Fate::Ends);
            }
            // A short read has emptied the socket (epoll(7)).
            if bytes < requested_bytes {
                return Ok(Fate::Stays);
            }
        }
    }

    /// Acts on the first `bytes` of `shared.input`, and sends what follows.
    fn take(&mut self, shared: &mut Shared, bytes: usize) -> io::Result<Fate> {
        let Shared { tls: server, input, replies, out, end_of_data } = shared;
        let incoming = &mut input[..bytes];
        replies.clear();
        out.clear();
        let mut is_closed = false;
        match &mut self.tls {
            Some(tls) => {
                let mut buffers = Buffers { replies, out, end_of_data };
                let opened = tls.open(incoming, &mut self.session, &mut buffers)?;
                let Opened { used_bytes, is_closed: closed } = opened;
                is_closed = closed;
                self.held.extend_from_slice(&incoming[used_bytes..]);
            }
            None => {
                self.session.feed(incoming, out, end_of_data);
                if let (Wish::Tls, Some(server)) = (self.session.wish(), server) {
                    self.tls = Some(server.connection()?);
                    self.session = Session::new(StartTls::Absent);
                }
            }
        }
        if !out.is_empty() {
            self.send(out)?;
        }
        match is_closed || self.session.wish() == Wish::Quit {
            true => Ok(Fate::Ends),
            false => Ok(Fate::Stays),
        }
    }
}
