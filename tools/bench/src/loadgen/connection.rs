//! One connection: its socket, what waits to be sent, and the messages in flight.
//!
//! Everything but the link is reused when the connection is opened again, so that a connection for
//! each message costs no allocation without TLS.
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustls::ClientConnection;
use sinkd_bench::net::{self, Errno};

use super::message::Message;
use super::options::{Mode, Options};
use super::outbox::Outbox;
use super::reply::{Expected, Extensions, ReplyLines};
use super::secure::{self, SealedOutput};
use super::tally::Tally;

/// How far the dialogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From connecting to the reply to the last EHLO.
    Opening,
    /// Messages can be begun.
    Ready,
    /// QUIT was queued.
    Quitting,
}

/// What an open connection has.
pub struct Link {
    socket: OwnedFd,
    pub stage: Stage,
    pub tls: Option<Box<ClientConnection>>,
    /// When it was opened, ns of CLOCK_MONOTONIC.
    pub opened_ns: u64,
}

impl Link {
    /// A connection over `socket`, which can still be connecting.
    pub fn new(socket: OwnedFd, tls: Option<Box<ClientConnection>>, now_ns: u64) -> Link {
        Link { socket, stage: Stage::Opening, tls, opened_ns: now_ns }
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub struct Connection {
    /// `None` while it is closed.
    pub link: Option<Link>,
    /// What the next replies answer, in order.
    pub(super) expected: VecDeque<Expected>,
    pub(super) outbox: Outbox,
    lines: ReplyLines,
    pub extensions: Extensions,
    /// Messages in flight: message N, from 0, of a connection is at N modulo their number.
    pub(super) messages: Vec<Message>,
    /// Messages begun since it was opened.
    pub(super) begun: u32,
    /// Messages accepted since it was opened.
    pub(super) accepted: u32,
    /// Recipients of the current message that were accepted, with `Mode::Plain`.
    pub(super) recipients_accepted: usize,
}

impl Connection {
    /// Returns a closed connection with room for messages of `head_bytes` before their bodies.
    pub fn closed(options: &Options, head_bytes: usize) -> Connection {
        let messages = match options.mode {
            Mode::Chunking => options.window + 1,
            // The head of the next one is queued while the body of the last one can still wait.
            Mode::Plain | Mode::Pipelined => 2,
            Mode::Idle | Mode::Connect => 0,
        };
        Connection {
            link: None,
            expected: VecDeque::new(),
            outbox: Outbox::default(),
            lines: ReplyLines::default(),
            extensions: Extensions::default(),
            messages: (0..messages).map(|_| Message::with_room(head_bytes)).collect(),
            begun: 0,
            accepted: 0,
            recipients_accepted: 0,
        }
    }

    /// Becomes a connection that waits for the greeting.
    pub fn open(&mut self, link: Link) {
        self.link = Some(link);
        self.expected.clear();
        self.expected.push_back(Expected::Banner);
        self.outbox.clear();
        self.lines.clear();
        self.extensions = Extensions::default();
        self.begun = 0;
        self.accepted = 0;
    }

    /// Returns whether the next reply answers `what`.
    #[inline]
    pub fn awaits(&self, what: Expected) -> bool {
        self.expected.front() == Some(&what)
    }

    /// Returns the next line of `input`, as `ReplyLines::next` does.
    #[inline]
    pub fn next_line<'a>(&mut self, input: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
        self.lines.next(input)
    }

    /// Sends what is queued, as much as the socket accepts. Does nothing when the connection is
    /// closed.
    #[inline]
    pub fn flush(&mut self, tally: &mut Tally) -> io::Result<()> {
        match &mut self.link {
            Some(Link { tls: Some(_), .. }) => self.flush_sealed(tally),
            Some(link) => {
                flush_plain(link.socket(), &mut self.outbox, &self.messages, tally)?;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn flush_sealed(&mut self, tally: &mut Tally) -> io::Result<()> {
        let Some(Link { tls: Some(tls), socket, .. }) = &mut self.link else { return Ok(()) };
        let mut output = SealedOutput::default();
        let socket = socket.as_fd();
        let result = secure::send(tls, socket, &mut self.outbox, &self.messages, &mut output);
        tally.calls.sends += output.sends;
        tally.wire_bytes += output.bytes;
        result
    }
}

#[inline]
fn flush_plain(
    socket: BorrowedFd<'_>,
    outbox: &mut Outbox,
    messages: &[Message],
    tally: &mut Tally,
) -> Result<(), Errno> {
    while !outbox.is_empty() {
        tally.calls.sends += 1;
        match outbox.send(socket, messages) {
            Ok(sent) => {
                tally.wire_bytes += sent.bytes as u64;
                if !sent.is_all {
                    // The socket is full: its next event says when it no longer is.
                    return Ok(());
                }
            }
            Err(error) if net::is_not_ready(error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
