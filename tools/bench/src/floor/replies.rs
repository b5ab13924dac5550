//! Replies that wait to be sent.
use std::os::fd::BorrowedFd;

use sinkd_bench::canned::{Command, replies};
use sinkd_bench::net;

use super::options::Sending;

pub const BANNER: &[u8] = b"220 floor.example ESMTP\r\n";
const HELLO: &[u8] = b"250-floor.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n\
    250-8BITMIME\r\n250 SIZE 104857600\r\n";
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
        match command {
            Command::Mail => self.push_reply(replies::MAIL),
            Command::Recipient => self.push_reply(replies::RECIPIENT),
            Command::Data => self.push_reply(replies::DATA),
            Command::Hello => self.push_reply(HELLO),
            Command::StartTls | Command::Quit => self.push_reply(replies::QUIT),
            Command::Chunk => {}
        }
    }

    /// Adds the reply to a payload.
    #[inline]
    pub fn push_stored(&mut self) {
        self.push_reply(STORED);
    }

    /// Inlined, because a copy of constant length needs no call.
    #[inline(always)]
    fn push_reply(&mut self, reply: &[u8]) {
        self.octets.extend_from_slice(reply);
        self.ends.push(self.octets.len());
    }

    /// Sends all. Returns the number of calls. What the socket doesn't accept is lost: generators
    /// read all replies before they send more than it holds. Errors appear as events.
    #[inline]
    pub fn send(&self, socket: BorrowedFd<'_>, sending: Sending) -> u64 {
        match sending {
            Sending::Together if self.octets.is_empty() => 0,
            Sending::Together => {
                let _ = net::send(socket, &self.octets);
                1
            }
            Sending::Split => {
                let mut start = 0;
                for &end in &self.ends {
                    let _ = net::send(socket, &self.octets[start..end]);
                    start = end;
                }
                self.ends.len() as u64
            }
        }
    }
}
