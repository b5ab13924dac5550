//! The event loop: edge-triggered epoll, one thread.
//!
//! A turn of a connection: one receive, what the dialogue makes of it, and one send. The store sees
//! only the number of bytes to keep.
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;
use sinkd_bench::canned::{Command, Dialogue, END_OF_DATA, Part};
use sinkd_bench::net::{self, Errno, Event, Poller, Timeout, Watch};

use super::checksum::crc32c;
use super::counts::Counts;
use super::options::{Checksum, Options, Receiving, StoreKind};
use super::replies::{BANNER, Replies};
use super::store::{Committed, Store};

const EVENTS_MAX: usize = 1024;
/// Places for connections that are added at a time.
const PLACES: usize = 64;

struct Connection {
    socket: OwnedFd,
    dialogue: Dialogue,
}

/// Whether a connection continues after its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Ends,
}

/// Replies that wait for the end of the round, for `StoreKind::Batch`.
struct Waiting {
    /// The number of its connection.
    number: usize,
    /// Where they are in `Server::waiting_replies`.
    replies: Range<usize>,
    fate: Fate,
}

pub struct Server<'a> {
    options: &'a Options,
    store: Store,
    listener: OwnedFd,
    poller: Poller,
    /// By the number of the descriptor.
    connections: Vec<Option<Connection>>,
    end_of_data: Finder<'static>,
    replies: Replies,
    waiting: Vec<Waiting>,
    waiting_replies: Vec<u8>,
    counts: Counts,
}

impl<'a> Server<'a> {
    pub fn new(options: &'a Options) -> io::Result<Server<'a>> {
        let store = Store::new(options)?;
        let listener = net::listen(options.port, options.congestion_control.as_deref())?;
        let poller = Poller::new()?;
        poller.add(&listener, listener.as_raw_fd() as u64, Watch::Acceptable)?;
        Ok(Server {
            options,
            store,
            listener,
            poller,
            connections: Vec::new(),
            end_of_data: Finder::new(END_OF_DATA),
            replies: Replies::new(),
            waiting: Vec::new(),
            waiting_replies: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Serves until `stop` is set, which a signal does: it interrupts the wait.
    ///
    /// Fails if the store does. An error of a connection only ends the connection.
    pub fn run(mut self, stop: &AtomicBool) -> io::Result<Counts> {
        let listener = self.listener.as_raw_fd() as usize;
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let without_limit = Timeout::new(None);
        // Partner: the store in `on_stop` of system.rs. It publishes nothing else.
        while !stop.load(Ordering::Relaxed) {
            self.counts.waits += 1;
            match self.poller.wait(&mut events, &without_limit) {
                Err(Errno::INTR) => continue,
                other => other?,
            }
            for event in &events {
                match net::number_of(event) {
                    number if number == listener => self.accept_all()?,
                    number => self.on_event(number, event)?,
                }
            }
            if !self.waiting.is_empty() {
                self.end_round()?;
            }
        }
        Ok(self.counts)
    }

    fn accept_all(&mut self) -> io::Result<()> {
        while let Ok(socket) = net::accept(&self.listener) {
            self.counts.accepts += 1;
            let number = socket.as_raw_fd() as usize;
            self.poller.add(&socket, number as u64, Watch::Input)?;
            let _ = net::send(&socket, BANNER);
            self.counts.sends += 1;
            if self.connections.len() <= number {
                self.connections.resize_with(number + PLACES, || None);
            }
            self.connections[number] = Some(Connection { socket, dialogue: Dialogue::default() });
        }
        Ok(())
    }

    fn on_event(&mut self, number: usize, event: &Event) -> io::Result<()> {
        self.replies.clear();
        let mut fate = match net::is_broken(event) {
            true => Fate::Ends,
            false => self.receive(number)?,
        };
        if net::is_half_closed(event) {
            fate = Fate::Ends;
        }
        if self.options.store == StoreKind::Batch {
            let start = self.waiting_replies.len();
            self.waiting_replies.extend_from_slice(self.replies.octets());
            let replies = start..self.waiting_replies.len();
            self.waiting.push(Waiting { number, replies, fate });
            return Ok(());
        }
        let Some(connection) = &self.connections[number] else { return Ok(()) };
        self.counts.sends += self.replies.send(connection.socket.as_fd(), self.options.sending);
        if fate == Fate::Ends {
            self.connections[number] = None;
        }
        Ok(())
    }

    /// Receives until the socket is empty.
    fn receive(&mut self, number: usize) -> io::Result<Fate> {
        // It was closed after the kernel reported the event.
        let Some(connection) = &mut self.connections[number] else { return Ok(Fate::Ends) };
        loop {
            let target = self.store.target(self.options.receive_bytes)?;
            let requested_bytes = target.len();
            self.counts.receives += 1;
            let bytes = match net::receive(&connection.socket, target) {
                Err(Errno::AGAIN) => {
                    self.counts.empty_receives += 1;
                    return Ok(Fate::Stays);
                }
                Ok(0) | Err(_) => return Ok(Fate::Ends),
                Ok(bytes) => bytes,
            };
            let input = &target[..bytes];
            let mut turn = Turn { replies: &mut self.replies, counts: &mut self.counts };
            let outcome = turn.take(input, &mut connection.dialogue, &self.end_of_data);
            if outcome.has_payload {
                if self.options.checksum == Checksum::Crc32c {
                    self.counts.checksum ^= crc32c(input);
                }
                self.store.keep(bytes)?;
            }
            let is_empty =
                self.options.receiving == Receiving::UntilShort && bytes < requested_bytes;
            if outcome.fate == Fate::Ends || is_empty {
                return Ok(outcome.fate);
            }
        }
    }

    /// Writes the payload of the round, and only then sends its replies (group commit).
    fn end_round(&mut self) -> io::Result<()> {
        if self.store.commit()? == Committed::Payload {
            self.counts.commits += 1;
        }
        for Waiting { number, replies, fate } in self.waiting.drain(..) {
            let Some(connection) = &self.connections[number] else { continue };
            if !replies.is_empty() {
                let _ = net::send(&connection.socket, &self.waiting_replies[replies]);
                self.counts.sends += 1;
            }
            if fate == Fate::Ends {
                self.connections[number] = None;
            }
        }
        self.waiting_replies.clear();
        Ok(())
    }
}

/// What a read changes besides its connection.
struct Turn<'a> {
    replies: &'a mut Replies,
    counts: &'a mut Counts,
}

struct Outcome {
    /// Whether some of the input was payload: then all of it is kept.
    has_payload: bool,
    fate: Fate,
}

impl Turn<'_> {
    #[inline]
    fn take(&mut self, mut input: &[u8], dialogue: &mut Dialogue, end: &Finder) -> Outcome {
        let mut outcome = Outcome { has_payload: false, fate: Fate::Stays };
        while let Some(part) = dialogue.next(&mut input, end) {
            match part {
                Part::Payload { bytes, is_last } => {
                    outcome.has_payload = true;
                    self.counts.payload_bytes += bytes as u64;
                    if is_last {
                        self.counts.messages += 1;
                        self.replies.push_stored();
                    }
                }
                Part::Command(command) => {
                    self.replies.push(command);
                    if matches!(command, Command::Quit | Command::StartTls) {
                        outcome.fate = Fate::Ends;
                    }
                }
            }
        }
        outcome
    }
}
