//! One connection to the target: its socket and its session.
use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::hands::Hands;
use super::network::Heard;
use super::source::Order;
use super::stream::Stream;
use crate::smtp::client::{Mail, Session};
use crate::stats::{Counter, Metric};

/// Pieces that one write takes.
const SLICES_MAX: usize = 64;
/// Octets written for one connection before the others have their turn.
const TURN_BYTES_MAX: usize = 1 << 20;
/// A target that keeps a connection for so long, and closes it unused, does so because it is idle.
const STAY_US: u64 = 1_000_000;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// By QUIT, or because there was nothing to say any more.
    Cleanly,
    /// A sentence.
    Failed(String),
}

/// Must the connection have another turn, though nothing will remind us?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Over,
    Again,
}

pub(super) struct Conn {
    stream: Stream,
    pub session: Session<Order>,
    is_connected: bool,
    /// When it was asked for, us.
    pub asked_us: u64,
    /// When something last came or went, us.
    pub active_us: u64,
    /// Messages that are to go over this connection, and no other.
    pub queue: VecDeque<(Order, Box<Mail>)>,
    /// Whose messages it carries.
    pub lane: Option<u64>,
    /// What stands in `queue` is the last it sends.
    pub is_last: bool,
    /// It ends for another lane to have a connection.
    pub makes_room: bool,
    /// Messages begun.
    pub begun: u64,
    /// It stands in the list of those that have nothing to do.
    pub is_idle: bool,
}

impl Conn {
    pub fn new(stream: Stream, session: Session<Order>, now_us: u64) -> Conn {
        Conn {
            stream,
            session,
            is_connected: false,
            asked_us: now_us,
            active_us: now_us,
            queue: VecDeque::new(),
            lane: None,
            is_last: false,
            makes_room: false,
            begun: 0,
            is_idle: false,
        }
    }

    /// Did the target speak with us at all?
    pub fn was_open(&self) -> bool {
        self.session.is_open()
    }

    /// Did it carry a message, or stay for one?
    pub fn is_of_use(&self, now_us: u64) -> bool {
        let stayed_us = now_us.saturating_sub(self.asked_us);
        self.was_open() && (self.begun > 0 || stayed_us >= STAY_US)
    }

    /// What was heard of it: octets are read, and told to the session.
    pub fn ready(
        &mut self,
        heard: Heard,
        scratch: &mut [u8],
        hands: &mut Hands,
    ) -> Result<(), Over> {
        hands.tick();
        if !self.is_connected && !self.connected(hands)? {
            return Ok(());
        }
        if heard.is_readable {
            self.read(heard.is_ended, scratch, hands)?;
        }
        Ok(())
    }

    fn connected(&mut self, hands: &mut Hands) -> Result<bool, Over> {
        let is_connected = self.stream.is_connected().map_err(|e| Over::Failed(e.to_string()))?;
        if is_connected {
            let now_us = hands.now_us();
            self.is_connected = true;
            self.active_us = now_us;
            self.session.connected(now_us);
            hands.tally.connections += 1;
            hands.recorder.add(Counter::Connections, 1);
            hands.recorder.record(Metric::Connect, now_us.saturating_sub(self.asked_us));
        }
        Ok(is_connected)
    }

    /// `to_the_end`: the target has shut its side, so there is an end to be seen.
    fn read(&mut self, to_the_end: bool, buffer: &mut [u8], hands: &mut Hands) -> Result<(), Over> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(n) => {
                    self.active_us = hands.now_us();
                    self.session.lend(&mut hands.room);
                    self.session.feed(&buffer[..n], hands.now_us(), hands);
                    if self.session.is_closed() {
                        return Err(self.ended());
                    }
                    // On Linux a short read has emptied the socket (epoll(7)).
                    if n < buffer.len()
                        && !to_the_end
                        && cfg!(all(target_os = "linux", not(sinkd_portable)))
                    {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Over::Failed(e.to_string())),
            }
        }
    }

    /// How it ended, if the target says nothing any more.
    fn ended(&self) -> Over {
        match self.session.fault() {
            Some(fault) => Over::Failed(fault.to_string()),
            None if self.session.is_closed() || !self.session.waits() => Over::Cleanly,
            None => Over::Failed("the target closed the connection, and owes replies".into()),
        }
    }

    /// Gives the session a message.
    pub fn start(&mut self, order: Order, mut mail: Box<Mail>, hands: &mut Hands) {
        hands.begun(&order);
        let unix_ns = hands.clock.unix_ns(hands.now_ns);
        hands.source.begin(unix_ns, &mut mail);
        self.begun += 1;
        self.session.lend(&mut hands.room);
        self.session.start(order, mail, hands.now_us(), hands);
    }

    /// Writes what there is to be written, as far as the socket takes it.
    pub fn flush(&mut self, hands: &mut Hands) -> Result<Turn, Over> {
        let (mut written, now_us) = (0, hands.now_us());
        while self.is_connected && self.session.has_output() {
            if written > TURN_BYTES_MAX {
                return Ok(Turn::Again);
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let n = self.session.slices(&mut slices);
            match self.stream.write(&slices[..n]) {
                Ok(octets) => {
                    written += octets;
                    self.session.wrote(octets, now_us, hands);
                    self.active_us = now_us;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Over::Failed(e.to_string())),
            }
        }
        self.session.give_back(&mut hands.room);
        Ok(Turn::Over)
    }

    /// Has the target been silent for too long?
    pub fn is_stalled(&self, now_us: u64, timeout_us: u64) -> bool {
        let waits = !self.is_connected || self.session.waits();
        waits && now_us.saturating_sub(self.active_us) > timeout_us
    }

    /// It is closed: what was under way is done.
    pub fn close(&mut self, hands: &mut Hands) {
        self.session.lost(hands);
        if self.is_connected {
            hands.recorder.add(Counter::Closed, 1);
            hands.recorder.record(Metric::SessionMessages, self.begun);
            let session_us = hands.now_us().saturating_sub(self.asked_us);
            hands.recorder.record(Metric::Session, session_us);
        }
    }
}
