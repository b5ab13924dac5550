//! The event loop: opens connections, and gives each what it received.
//!
//! One thread, edge-triggered epoll. Per message with one command per round trip: four sends, four
//! receives, and a share of an epoll_wait.
use std::io::{self, BufRead, Write};
use std::time::Duration;

use sinkd_bench::net::{self, Errno, Event, Poller, Timeout, Watch};
use sinkd_bench::system::monotonic_ns;

use super::connection::{Connection, Link, Stage};
use super::dialogue::{Shared, Step};
use super::options::{Mode, Options, Start, TlsUse};
use super::reply::{self, Expected, Extensions};
use super::secure::{self, TlsClient};
use super::supply::Supply;
use super::tally::{ERRORS_MAX, Tally};

const EVENTS_MAX: usize = 512;
/// Bytes of one receive. A receive of fewer has emptied the socket (epoll(7)).
const RECEIVE_BYTES: usize = 64 << 10;
/// A reply line has a code, at least.
const LINE_BYTES_MIN: usize = 3;

pub struct Generator<'a> {
    options: &'a Options,
    supply: Supply,
    poller: Poller,
    tls: TlsClient,
    connections: Vec<Connection>,
    counts: Counts,
    phase: Phase,
    tally: Tally,
    /// What was decrypted of one receive.
    plain: Vec<u8>,
}

/// Numbers of connections.
#[derive(Debug, Default)]
struct Counts {
    /// How many of them were opened once, in the order of their indexes.
    begun: usize,
    /// Between connecting and the reply to the last EHLO.
    opening: usize,
    /// How often one became ready.
    ready: usize,
    /// Not closed.
    open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No message is sent until all connections are ready.
    Connecting,
    Running,
}

/// Whether a connection is still the one that received something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Received {
    Open,
    /// It was closed, and can have been opened again.
    Closed,
}

impl<'a> Generator<'a> {
    /// Prepares the messages and the buffers of all connections.
    pub fn new(options: &'a Options) -> io::Result<Generator<'a>> {
        let supply = Supply::new(options);
        let head_bytes = supply.head_bytes_max();
        let connection = |_| Connection::closed(options, head_bytes);
        Ok(Generator {
            options,
            supply,
            poller: Poller::new()?,
            tls: TlsClient::new(),
            connections: (0..options.connections).map(connection).collect(),
            counts: Counts::default(),
            phase: Phase::Connecting,
            tally: Tally::new(options),
            plain: Vec::new(),
        })
    }

    /// Sends until there are no more messages, or too many errors. Errors of single connections are
    /// counted.
    ///
    /// Errors: no connection can be opened, or stdout is closed.
    pub fn run(mut self) -> Result<Tally, String> {
        let mut buffer = vec![0; RECEIVE_BYTES];
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let timeout = timeout(self.options.timeout_seconds);
        loop {
            self.open_more()?;
            if self.phase == Phase::Connecting && self.counts.ready == self.options.connections {
                self.start()?;
                if self.options.mode == Mode::Idle {
                    self.hold();
                    return Ok(self.tally);
                }
            }
            if self.is_over() {
                return Ok(self.tally);
            }
            self.tally.calls.waits += 1;
            match self.poller.wait(&mut events, &timeout) {
                Err(Errno::INTR) => continue,
                other => other.map_err(|error| format!("epoll_wait: {error}"))?,
            }
            if events.is_empty() {
                self.time_out();
                return Ok(self.tally);
            }
            for event in &events {
                self.on_event(event, &mut buffer)?;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.counts.open == 0 || self.tally.errors >= ERRORS_MAX || self.tally.lacks_extension
    }

    fn time_out(&mut self) {
        let (seconds, ready) = (self.options.timeout_seconds, self.counts.ready);
        self.tally.failed(format!("nothing happened for {seconds} s ({ready} ready)"));
    }

    fn start(&mut self) -> Result<(), String> {
        if self.options.start == Start::OnSignal {
            announce_and_wait(self.options.connections).map_err(|error| error.to_string())?;
        }
        self.phase = Phase::Running;
        let now_ns = monotonic_ns();
        self.tally.start(now_ns);
        self.supply.start(now_ns);
        for index in 0..self.connections.len() {
            if self.connections[index].link.is_some() {
                self.connections[index].proceed(self.options, &mut self.supply);
                self.flush(index)?;
            }
        }
        Ok(())
    }

    /// Keeps idle connections open for the duration that the options state.
    fn hold(&mut self) {
        let hold = Duration::try_from_secs_f64(self.options.hold_seconds);
        std::thread::sleep(hold.unwrap_or_default());
        self.tally.ended_ns = monotonic_ns();
    }

    /// Opens connections that were not opened before, as many at a time as the options allow.
    fn open_more(&mut self) -> Result<(), String> {
        while self.counts.begun < self.options.connections
            && self.counts.opening < self.options.opening_max
        {
            let index = self.counts.begun;
            self.counts.begun += 1;
            self.open(index)?;
        }
        Ok(())
    }

    fn open(&mut self, index: usize) -> Result<(), String> {
        let socket =
            net::connect(self.options.port).map_err(|error| format!("connect: {error}"))?;
        let watched = self.poller.add(&socket, index as u64, Watch::InputAndOutput);
        watched.map_err(|error| format!("epoll_ctl: {error}"))?;
        let tls = (self.options.tls == TlsUse::Implicit).then(|| self.tls.connection());
        self.connections[index].open(Link::new(socket, tls, monotonic_ns()));
        self.counts.opening += 1;
        self.counts.open += 1;
        self.tally.connects += 1;
        Ok(())
    }

    fn close(&mut self, index: usize) {
        if let Some(link) = self.connections[index].link.take() {
            self.counts.open -= 1;
            if link.stage == Stage::Opening {
                self.counts.opening -= 1;
            }
        }
    }

    /// Closes a connection that is of no further use, and opens it again while the run lasts.
    fn fail(&mut self, index: usize, reason: String) -> Result<(), String> {
        self.tally.failed(reason);
        self.close(index);
        match self.phase == Phase::Running && self.tally.errors < ERRORS_MAX {
            true => self.reopen(index),
            false => Ok(()),
        }
    }

    /// Opens a connection again if it could still send a message.
    fn reopen(&mut self, index: usize) -> Result<(), String> {
        match self.supply.is_exhausted() {
            true => Ok(()),
            false => self.open(index),
        }
    }

    fn on_event(&mut self, event: &Event, buffer: &mut [u8]) -> Result<(), String> {
        let index = net::number_of(event);
        // Without a link, it was closed after the kernel reported the event.
        if net::is_readable(event) && self.connections[index].link.is_some() {
            self.receive(index, buffer)?;
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<(), String> {
        match self.connections[index].flush(&mut self.tally) {
            Ok(()) => Ok(()),
            Err(error) => self.fail(index, format!("send: {error}")),
        }
    }

    /// Receives until the socket is empty.
    fn receive(&mut self, index: usize, buffer: &mut [u8]) -> Result<(), String> {
        while let Some(link) = &self.connections[index].link {
            self.tally.calls.receives += 1;
            let bytes = match net::receive(link.socket(), buffer) {
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return self.fail(index, format!("recv: {error}")),
                Ok(0) => return self.fail(index, "connection closed by server".into()),
                Ok(bytes) => bytes,
            };
            let received = match link.tls {
                Some(_) => self.on_sealed_input(index, &buffer[..bytes])?,
                None => self.on_input(index, &buffer[..bytes])?,
            };
            if received == Received::Closed || bytes < buffer.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn on_sealed_input(&mut self, index: usize, octets: &[u8]) -> Result<Received, String> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let link = self.connections[index].link.as_mut();
        let decrypted = match link.and_then(|link| link.tls.as_mut()) {
            Some(tls) => secure::decrypt(tls, octets, &mut plain),
            None => Ok(()),
        };
        let received = match decrypted {
            Ok(()) => self.on_input(index, &plain),
            Err(reason) => self.fail(index, reason).map(|()| Received::Closed),
        };
        self.plain = plain;
        received
    }

    /// Splits input into lines and acts on each complete reply.
    fn on_input(&mut self, index: usize, mut input: &[u8]) -> Result<Received, String> {
        let mut has_accepted = false;
        while let Some(line) = self.connections[index].next_line(&mut input) {
            let connection = &mut self.connections[index];
            if line.len() < LINE_BYTES_MIN {
                self.fail(index, "short reply line".into())?;
                return Ok(Received::Closed);
            }
            if connection.awaits(Expected::Ehlo) {
                connection.extensions.add(&line);
            }
            if reply::is_continued(&line) {
                continue;
            }
            has_accepted |= connection.awaits(Expected::Final);
            if self.on_reply(index, &line)? == Received::Closed {
                return Ok(Received::Closed);
            }
        }
        // With chunks, replies arrive together: the messages after them leave together.
        if has_accepted && self.options.mode == Mode::Chunking {
            self.connections[index].proceed(self.options, &mut self.supply);
        }
        Ok(Received::Open)
    }

    fn on_reply(&mut self, index: usize, line: &[u8]) -> Result<Received, String> {
        let Generator { options, supply, tally, .. } = self;
        let mut shared = Shared { options, supply, tally };
        let connection = &mut self.connections[index];
        match connection.on_reply(line, &mut shared) {
            Ok(Step::Nothing) => Ok(Received::Open),
            Ok(Step::StartTls) => {
                connection.start_tls(self.tls.connection());
                Ok(Received::Open)
            }
            Ok(Step::Ready) => {
                self.on_ready(index);
                Ok(Received::Open)
            }
            Ok(Step::End) => self.on_end(index).map(|()| Received::Closed),
            Err(reason) => self.fail(index, reason).map(|()| Received::Closed),
        }
    }

    fn on_ready(&mut self, index: usize) {
        self.counts.opening -= 1;
        self.counts.ready += 1;
        let connection = &mut self.connections[index];
        if !is_enough(self.options.mode, connection.extensions) {
            self.tally.lacks_extension = true;
            self.supply.stop();
        } else if self.phase == Phase::Running {
            connection.proceed(self.options, &mut self.supply);
        }
    }

    fn on_end(&mut self, index: usize) -> Result<(), String> {
        if let (Mode::Connect, Some(link)) = (self.options.mode, &self.connections[index].link) {
            self.tally.visited(link.opened_ns);
        }
        self.close(index);
        self.reopen(index)
    }
}

/// Returns whether a server with these extensions can be sent to in this mode.
fn is_enough(mode: Mode, extensions: Extensions) -> bool {
    match mode {
        Mode::Pipelined => extensions.pipelining,
        Mode::Chunking => extensions.chunking && extensions.pipelining,
        Mode::Plain | Mode::Idle | Mode::Connect => true,
    }
}

/// Returns how long to wait for an event: without limit if `seconds` is negative.
fn timeout(seconds: f64) -> Timeout {
    let ms = (seconds * 1000.0) as i32;
    Timeout::new(u64::try_from(ms).ok().map(Duration::from_millis))
}

/// Prints that all connections are ready, and waits for a line on stdin, or its end.
fn announce_and_wait(connections: usize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{{\"event\":\"start\",\"conns\":{connections}}}")?;
    stdout.flush()?;
    // Whatever ends the wait, the run starts.
    let _ = io::stdin().lock().read_line(&mut String::new());
    Ok(())
}
