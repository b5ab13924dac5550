//! A client and its connection: sends octets in exactly the pieces that a test chooses.
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::observed::{Observed, StoredMessage};
use super::one_by_one::OneByOne;
use crate::config::Config;
use crate::server::by_hand::{Beginning, ByHandSink, SocketEvent, WorkerPlace};
use crate::smtp::limits::Protocol;
use crate::tls::by_hand::ClientByHand;

/// Limit on the rounds for one piece. If the sink needs more, it is in an endless loop.
const ROUNDS_MAX: usize = 100_000;

/// One client and its connection.
pub struct Dialogue<'a> {
    sink: &'a mut OneByOne,
    /// `None`: the client has left.
    socket: Option<UnixStream>,
    place: WorkerPlace,
    replies: Vec<u8>,
    /// Messages stored so far.
    messages: usize,
    is_closed: bool,
    /// `None`: plain text.
    tls: Option<ClientByHand>,
    /// How encrypted octets are cut.
    octets: Pieces,
    /// Number of rounds so far.
    rounds: usize,
}

/// How encrypted octets are cut on their way to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// As they were encrypted.
    Whole,
    /// Octet by octet.
    Octets,
}

impl Dialogue<'_> {
    /// Sends the client's next octets. The sink reads them in one piece, as far as its buffers
    /// allow. Under TLS they are encrypted first. After the close they are lost.
    pub fn send(&mut self, piece: &[u8]) {
        let Some(tls) = self.tls.as_mut().filter(|_| !piece.is_empty()) else {
            return self.send_octets(piece);
        };
        tls.send(piece);
        self.flush();
    }

    /// Runs a handshake as far as possible. Errors are the client's.
    pub fn handshake(&mut self, octets: Pieces) -> Result<(), String> {
        let client = self.sink.tls_client();
        self.handshake_with(client, octets)
    }

    /// Runs a handshake of `client` as far as possible. Errors are the client's.
    pub fn handshake_with(&mut self, client: ClientByHand, octets: Pieces) -> Result<(), String> {
        assert!(self.tls.is_none(), "TLS begins once");
        let (mut client, early) = (client, std::mem::take(&mut self.replies));
        client.receive(&early);
        (self.tls, self.octets) = (Some(client), octets);
        self.flush();
        match self.tls.as_mut().and_then(ClientByHand::take_error) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Encrypts `content` into a record, without sending it.
    pub fn seal(&mut self, content: &[u8]) {
        if let Some(tls) = &mut self.tls {
            tls.send(content);
        }
    }

    /// Sends the records that `seal` creates in one piece. Returns the number of rounds that the
    /// sink needs.
    pub fn rounds_of(&mut self, seal: impl FnOnce(&mut Self)) -> usize {
        seal(self);
        let before = self.rounds;
        self.flush();
        self.rounds - before
    }

    /// Encrypts `content` and sends it with one octet changed.
    pub fn send_tampered(&mut self, content: &[u8]) {
        let Some(tls) = &mut self.tls else { return };
        tls.send(content);
        let mut octets = tls.take_octets();
        if let Some(octet) = octets.last_mut() {
            *octet ^= 1;
        }
        self.send_octets(&octets);
    }

    /// Returns whether the sink has sent close_notify.
    pub fn has_heard_close_notify(&self) -> bool {
        self.tls.as_ref().is_some_and(ClientByHand::has_heard_close_notify)
    }

    /// Puts `config` in force while the client is connected.
    pub fn reload(&mut self, config: Config) {
        self.sink.reload(config);
        self.run_until_idle();
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.sink.now += time;
        self.sink.sink.wake(self.sink.now);
        self.run_until_idle();
    }

    /// Sends the client's close_notify.
    pub fn close_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
        }
        self.flush();
    }

    /// Sends what the client's TLS has queued.
    fn flush(&mut self) {
        loop {
            let Some(tls) = &mut self.tls else { return };
            let octets = tls.take_octets();
            match self.octets {
                _ if octets.is_empty() => return,
                Pieces::Whole => self.send_octets(&octets),
                Pieces::Octets => octets.chunks(1).for_each(|octet| self.send_octets(octet)),
            }
        }
    }

    /// Sends the client's next octets as they are.
    pub fn send_octets(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() && !self.is_closed {
            let Some(socket) = &mut self.socket else { return };
            match socket.write(rest) {
                Ok(octets) => rest = &rest[octets..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The sink has closed; its earlier replies can still be read.
                Err(_) => rest = &[],
            }
            self.sink.sink.wake(self.sink.now);
            self.sink.sink.ready(self.place, SocketEvent::Plain);
            self.run_until_idle();
        }
    }

    /// Runs rounds until the sink waits for the client.
    fn run_until_idle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.rounds += 1;
            let sink = &mut self.sink.sink;
            sink.round();
            let is_provisioned = sink.wants_provisioning() && sink.provision(usize::MAX) > 0;
            let was_woken = sink.take_wake();
            let waits_for_room = !self.is_closed && sink.watches_writes(self.place);
            for place in sink.take_reported_again() {
                sink.ready(place, SocketEvent::Plain);
            }
            let has_read = self.read();
            let sink = &mut self.sink.sink;
            if has_read && waits_for_room {
                sink.ready(self.place, SocketEvent::Plain);
            } else if !is_provisioned && !was_woken && sink.wait_ms() != Some(0) {
                return;
            }
            sink.wake(self.sink.now);
        }
        panic!("the sink does not come to rest");
    }

    /// Reads what the sink has sent. Returns whether there was anything.
    fn read(&mut self) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let mut octets = Vec::new();
        match socket.read_to_end(&mut octets) {
            Ok(_) => self.is_closed = true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.is_closed = true,
        }
        match &mut self.tls {
            None => self.replies.extend_from_slice(&octets),
            Some(tls) => {
                tls.receive(&octets);
                self.replies.extend(tls.take_content());
            }
        }
        !octets.is_empty()
    }

    /// Takes the replies since the last call.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Takes the messages stored since the last call.
    pub fn take_stored(&mut self) -> Vec<StoredMessage> {
        self.sink.take_stored().into_iter().map(|(_, stored)| stored).collect()
    }

    /// Returns whether the sink has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns what the session did since the last call. Checks that each message was acknowledged
    /// with its id.
    pub fn take_outcome(&mut self) -> Observed {
        let mut replies = self.take_replies();
        let mut stored = Vec::new();
        for (id, message) in self.sink.take_stored() {
            let name = format!(" {id}\r\n");
            let number = format!(" 1:{}\r\n", self.messages);
            let renamed = replace(&replies, name.as_bytes(), number.as_bytes());
            replies = renamed.unwrap_or_else(|| panic!("{id} is stored, and not acknowledged"));
            self.messages += 1;
            stored.push(message);
        }
        let tolerated = self.sink.take_tolerated();
        Observed { replies, stored, tolerated, closed: self.is_closed }
    }

    /// Disconnects the client. Checks that the sink no longer holds anything for it.
    pub fn leave(mut self) -> Observed {
        let is_open = self.sink.sink.open_connections() > 0;
        // Closing the socket would not suffice: a test in another thread that starts a program
        // briefly duplicates all descriptors.
        if let Some(socket) = self.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        if is_open {
            self.sink.sink.wake(self.sink.now);
            self.sink.sink.ready(self.place, SocketEvent::Special);
            self.run_until_idle();
        }
        self.sink.check_at_rest();
        self.take_outcome()
    }
}

impl OneByOne {
    /// Connects a client, which is greeted.
    pub fn connect(&mut self, protocol: Protocol) -> Dialogue<'_> {
        self.connect_by(|sink, socket| sink.connect(socket, protocol))
    }

    /// Connects a client that begins with `beginning`.
    pub fn connect_with(&mut self, beginning: Beginning) -> Dialogue<'_> {
        self.connect_by(|sink, socket| sink.connect_with(socket, beginning))
    }

    fn connect_by(
        &mut self,
        connect: impl FnOnce(&mut ByHandSink, UnixStream) -> Option<WorkerPlace>,
    ) -> Dialogue<'_> {
        self.check_at_rest();
        let (socket, theirs) = UnixStream::pair().expect("descriptors are left");
        for socket in [&socket, &theirs] {
            socket.set_nonblocking(true).expect("a socket can be nonblocking");
        }
        self.next_second();
        let place = connect(&mut self.sink, theirs).expect("a client stays for its greeting");
        let mut session = Dialogue {
            sink: self,
            socket: Some(socket),
            place,
            replies: Vec::new(),
            messages: 0,
            is_closed: false,
            tls: None,
            octets: Pieces::Whole,
            rounds: 0,
        };
        session.run_until_idle();
        session
    }
}

/// Replaces each `from` in `text` with `to`; `None`: there is no `from`.
fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = 0;
    for at in memchr::memmem::find_iter(text, from) {
        parts.extend_from_slice(&text[rest..at]);
        parts.extend_from_slice(to);
        rest = at + from.len();
    }
    parts.extend_from_slice(&text[rest..]);
    (rest > 0).then_some(parts)
}
