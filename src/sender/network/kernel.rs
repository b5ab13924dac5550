//! The network of a sending thread: connections and events.
use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};

use crate::time::MonotonicNs;

use super::alarm::Alarm;
use super::stream::TargetStream;
use crate::sender::scheduling::ConnectionSlot;
use crate::sender::targets::ResolvedAddress;

const ALARM: Token = Token(usize::MAX);

/// A network: the kernel, or a test.
pub trait Network {
    /// Begins to open a connection; its events name `slot`.
    fn connect(&mut self, slot: ConnectionSlot) -> io::Result<TargetStream>;
}

/// An event of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetEvent {
    /// Octets can be read.
    pub is_readable: bool,
    /// The target has shut down its side, so reads reach an end.
    pub is_ended: bool,
}

impl TargetEvent {
    /// Returns the slot and the meaning of an event; no connection has the slot of the alarm.
    pub fn from_event(event: &Event) -> (ConnectionSlot, TargetEvent) {
        let is_ended = event.is_read_closed();
        (
            ConnectionSlot::new(event.token().0),
            TargetEvent { is_readable: event.is_readable() || is_ended, is_ended },
        )
    }
}

/// How long a thread may wait for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub now_ns: MonotonicNs,
    /// When something is due, to the microsecond; `None` if nothing is.
    pub due_ns: Option<MonotonicNs>,
    /// Upper bound of the wait, whatever is due.
    pub at_most: Duration,
}

/// Sockets to one address, and the events of the kernel.
pub struct KernelNetwork {
    address: ResolvedAddress,
    poll: Poll,
    alarm: Alarm,
    /// The time for which the alarm was last set; `None` before the first.
    alarm_ns: Option<MonotonicNs>,
}

impl KernelNetwork {
    pub fn new(address: ResolvedAddress) -> io::Result<KernelNetwork> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        Ok(KernelNetwork { address, poll, alarm, alarm_ns: None })
    }

    /// Waits for events, or until something is due.
    pub fn wait(&mut self, events: &mut Events, pause: Pause) -> io::Result<()> {
        let mut timeout = pause.at_most;
        if let Some(due_ns) = pause.due_ns {
            let after = due_ns.since(pause.now_ns);
            if self.alarm_ns != Some(due_ns) {
                self.alarm.set(after)?;
                self.alarm_ns = Some(due_ns);
            }
            timeout = self.alarm.bound(after).unwrap_or(timeout).min(timeout);
        }
        match self.poll.poll(events, Some(timeout)) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }
}

impl Network for KernelNetwork {
    fn connect(&mut self, slot: ConnectionSlot) -> io::Result<TargetStream> {
        TargetStream::connect(&self.address, self.poll.registry(), Token(slot.index()))
    }
}
