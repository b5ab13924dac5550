//! A sending thread without its loop, for tests: the test provides the connections and the time.
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::SendingClock;
use super::engine::Engine;
use super::network::{Network, Pause, TargetEvent, TargetStream};
use super::recording::{SendLedger, SendingTally, reply_names};
pub use super::scheduling::ConnectionSlot;
use super::settings::SendingSettings;
use super::shared::SharedRun;
use super::source::Source;
use super::targets::ResolvedAddress;
use crate::stats::Interval;
use crate::stats::by_hand::RecordersByHand as Statistics;
use crate::time::MonotonicNs;
use crate::wording::with_causes;

/// A requested connection: its slot, and the target's end of the socket.
pub type RequestedConnection = (ConnectionSlot, UnixStream);

/// A network of socket pairs.
struct Pairs {
    requested: Vec<RequestedConnection>,
    /// The number of requested connections, including refused ones.
    tries: u64,
    refuses: bool,
}

impl Network for Pairs {
    fn connect(&mut self, slot: ConnectionSlot) -> io::Result<TargetStream> {
        self.tries += 1;
        if self.refuses {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.requested.push((slot, theirs));
        Ok(TargetStream::Unix(mio::net::UnixStream::from_std(ours)))
    }
}

/// One sending thread.
pub struct ByHandSender<'a> {
    engine: Engine<'a, Pairs>,
    statistics: Statistics,
    recorded: Box<Interval>,
    /// The time in ns since the start of sending.
    now_ns: Arc<AtomicU64>,
    /// How long the loop would wait; `None` if everything is done.
    pause: Option<Pause>,
}

/// The result of a run.
#[derive(Debug)]
pub struct RunEnd {
    /// The outcomes of the messages.
    pub tally: SendingTally,
    /// The recordings of the whole run.
    pub recorded: Box<Interval>,
    /// Why the run ended before its source did, with all causes.
    pub error: Option<String>,
    /// Whether no connection could be made or was useful at the end.
    pub is_lost: bool,
}

impl<'a> ByHandSender<'a> {
    /// Sends the messages of `source`. The address in `settings` is not used.
    pub fn new(
        settings: SendingSettings,
        source: Box<dyn Source>,
        shared: &'a SharedRun,
    ) -> ByHandSender<'a> {
        let now_ns = Arc::new(AtomicU64::new(0));
        let reply_kinds = reply_names().len();
        let (statistics, recorder) = Statistics::new(reply_kinds);
        let recorded = Box::new(Interval::new(reply_kinds));
        let ledger = SendLedger::new(source, recorder, SendingClock::simulated(now_ns.clone()));
        let network = Pairs { requested: Vec::new(), tries: 0, refuses: false };
        let mut engine = Engine::new(settings, network, ledger, shared);
        engine.begin_round();
        let pause = engine.act();
        ByHandSender { engine, statistics, recorded, now_ns, pause }
    }

    /// Returns an address for settings; nothing connects to it.
    pub fn address() -> ResolvedAddress {
        ResolvedAddress::Unix(PathBuf::from("made-up"))
    }

    /// Returns the time.
    pub fn now_ns(&self) -> MonotonicNs {
        MonotonicNs::new(self.now_ns.load(Ordering::Relaxed))
    }

    /// Returns whether everything is done.
    pub fn is_done(&self) -> bool {
        self.pause.is_none()
    }

    /// Returns how long the loop would wait without events, in ns.
    pub fn wait_ns(&self) -> Option<u64> {
        let Pause { now_ns, due_ns, at_most } = self.pause?;
        let at_most_ns = at_most.as_nanos() as u64;
        Some(due_ns.map_or(at_most_ns, |due_ns| at_most_ns.min(due_ns.ns_since(now_ns))))
    }

    /// Runs a round `after_ns` later, in which the connections in `event` are readable or have
    /// ended.
    pub fn round(&mut self, after_ns: u64, event: &[ConnectionSlot]) {
        self.now_ns.fetch_add(after_ns, Ordering::Relaxed);
        self.engine.begin_round();
        for slot in event {
            // If the connection has no end, reads simply continue until nothing is left.
            self.engine.handle_event(*slot, TargetEvent { is_readable: true, is_ended: true });
        }
        self.engine.check_periodically();
        self.pause = self.engine.act();
        self.statistics.take(|interval| self.recorded.merge(interval));
    }

    /// Makes the target refuse connections from now on.
    pub fn refuse(&mut self) {
        self.engine.network.refuses = true;
    }

    /// Returns the number of connections requested so far.
    pub fn tries(&self) -> u64 {
        self.engine.network.tries
    }

    /// Returns the connections requested since the last call.
    pub fn take_requested(&mut self) -> Vec<RequestedConnection> {
        std::mem::take(&mut self.engine.network.requested)
    }

    /// Ends the run.
    pub fn end(self) -> RunEnd {
        let ByHandSender { engine, statistics, mut recorded, .. } = self;
        let ended = engine.end_all();
        let mut ledger = ended.ledger;
        ledger.count_overdue(ledger.ended_ns.unwrap_or_default());
        // Provides a buffer for the recordings that the close hands over.
        statistics.take(|interval| recorded.merge(interval));
        let tally = ledger.close();
        statistics.take(|interval| recorded.merge(interval));
        RunEnd {
            tally,
            recorded,
            error: ended.error.map(|error| with_causes(&error)),
            is_lost: ended.is_lost,
        }
    }
}
