//! Where connections come from, and what wakes a sending thread.
use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};

use super::alarm::Alarm;
use super::stream::{ResolvedAddress, Stream};

const ALARM: Token = Token(usize::MAX);

/// What makes connections: the kernel, or a test.
pub(super) trait Network {
    /// Begins to make a connection, whose events name `slot`.
    fn connect(&mut self, slot: usize) -> io::Result<Stream>;
}

/// What is heard of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketEvent {
    /// Octets may be read.
    pub is_readable: bool,
    /// The target has shut its side, so there is an end to be seen.
    pub is_ended: bool,
}

impl SocketEvent {
    /// What an event says, and of which slot; the alarm's slot is none.
    pub fn of(event: &Event) -> (usize, SocketEvent) {
        let is_ended = event.is_read_closed();
        (event.token().0, SocketEvent { is_readable: event.is_readable() || is_ended, is_ended })
    }
}

/// How long a thread may wait for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    pub now_ns: u64,
    /// When something is due, to be met to the microsecond; `None`: nothing is.
    pub due_ns: Option<u64>,
    /// At most this, whatever is due.
    pub at_most: Duration,
}

/// Sockets to one address, and the kernel's events.
pub(super) struct KernelNetwork {
    address: ResolvedAddress,
    poll: Poll,
    alarm: Alarm,
    /// The moment the alarm is set to.
    alarm_ns: u64,
}

impl KernelNetwork {
    pub fn new(address: ResolvedAddress) -> io::Result<KernelNetwork> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        Ok(KernelNetwork { address, poll, alarm, alarm_ns: 0 })
    }

    /// Waits for events, or until something is due.
    pub fn wait(&mut self, events: &mut Events, pause: Pause) -> io::Result<()> {
        let mut timeout = pause.at_most;
        if let Some(due_ns) = pause.due_ns {
            let after = Duration::from_nanos(due_ns.saturating_sub(pause.now_ns));
            if self.alarm_ns != due_ns {
                self.alarm.set(after)?;
                self.alarm_ns = due_ns;
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
    fn connect(&mut self, slot: usize) -> io::Result<Stream> {
        Stream::connect(&self.address, self.poll.registry(), Token(slot))
    }
}
