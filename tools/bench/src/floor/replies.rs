//! Replies that wait to be sent.
use std::io;
use std::os::fd::BorrowedFd;

use sinkd_bench::canned::{Command, replies};
use sinkd_bench::net;

use super::options::Sending;

pub const BANNER: &[u8] = b"220 floor.example ESMTP\r\n";
const HELLO: &[u8] = b"250-floor.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n";
const STORED: &[u8] = b"250 2.0.0 Ok: stored\r\n";

/// Replies of one read.
pub struct Replies {
    octets: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
}

impl Replies {
    pub fn new() -> Replies {
        Replies { octets: Vec::with_capacity(64 << 10), ends: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Adds the reply to a command. A chunk has none before its payload is complete.
    #[inline]
    pub fn push(&mut self, command: Command) {
        self.push_reply(match command {
            Command::Mail => replies::MAIL,
            Command::Recipient => replies::RECIPIENT,
            Command::Data => replies::DATA,
            Command::Hello => HELLO,
            Command::StartTls | Command::Quit => replies::QUIT,
            Command::Chunk => return,
        });
    }

    /// Adds the reply to a payload.
    #[inline]
    pub fn push_stored(&mut self) {
        self.push_reply(STORED);
    }

    #[inline]
    fn push_reply(&mut self, reply: &[u8]) {
        self.octets.extend_from_slice(reply);
        self.ends.push(self.octets.len());
    }

    /// Sends all. Returns the number of calls. What the socket doesn't accept is lost: generators
    /// read all replies before they send more than it holds.
    #[inline]
    pub fn send(&self, socket: BorrowedFd<'_>, sending: Sending) -> u64 {
        match sending {
            Sending::Together if self.octets.is_empty() => 0,
            Sending::Together => {
                ignore(net::send(socket, &self.octets));
                1
            }
            Sending::Split => {
                let mut start = 0;
                for &end in &self.ends {
                    ignore(net::send(socket, &self.octets[start..end]));
                    start = end;
                }
                self.ends.len() as u64
            }
        }
    }
}

/// An error of a send appears as an event of the connection.
pub fn ignore(_: io::Result<usize>) {}
