//! A sending thread without its loop, for tests: it connects to what the test answers for, at the
//! time that the test says.
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::SendingClock;
use super::engine::Engine;
use super::ledger::{Ledger, reply_names};
use super::network::{Network, Pause, SocketEvent};
use super::settings::SendingSettings;
use super::shared::SharedRun;
use super::source::Source;
use super::stream::{ResolvedAddress, Stream};
use super::tally::SendingTally;
use crate::stats::Interval;
use crate::stats::by_hand::RecordersByHand as Statistics;

/// A connection that was asked for: its slot, and the target's end of it.
pub type Asked = (usize, UnixStream);

/// Socket pairs in place of connections.
struct Pairs {
    asked: Vec<Asked>,
    /// Connections that were asked for, those refused included.
    tries: u64,
    refuses: bool,
}

impl Network for Pairs {
    fn connect(&mut self, slot: usize) -> io::Result<Stream> {
        self.tries += 1;
        if self.refuses {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.asked.push((slot, theirs));
        Ok(Stream::Unix(mio::net::UnixStream::from_std(ours)))
    }
}

/// One thread of a run of sending.
pub struct ByHandSender<'a> {
    engine: Engine<'a, Pairs>,
    statistics: Statistics,
    recorded: Box<Interval>,
    /// ns since the start of sending.
    now_ns: Arc<AtomicU64>,
    /// `None`: it is done.
    pause: Option<Pause>,
}

/// How a run has ended.
#[derive(Debug)]
pub struct RunEnd {
    /// The outcomes of the messages.
    pub tally: SendingTally,
    /// What was recorded, from the start to the end.
    pub recorded: Box<Interval>,
    /// Why it ended before its source did.
    pub error: Option<String>,
    /// When it ended, no connection could be made, nor was one useful.
    pub is_lost: bool,
}

impl<'a> ByHandSender<'a> {
    /// Sends what `source` has. `settings`: their address is not looked at.
    pub fn new(
        settings: SendingSettings,
        source: Box<dyn Source>,
        shared: &'a SharedRun,
    ) -> ByHandSender<'a> {
        let now_ns = Arc::new(AtomicU64::new(0));
        let reply_kinds = reply_names().len();
        let (statistics, recorder) = Statistics::new(reply_kinds);
        let recorded = Box::new(Interval::new(reply_kinds));
        let ledger = Ledger::new(source, recorder, SendingClock::made_up(now_ns.clone()));
        let network = Pairs { asked: Vec::new(), tries: 0, refuses: false };
        let mut engine = Engine::new(settings, network, ledger, shared);
        engine.begin_round();
        let pause = engine.act();
        ByHandSender { engine, statistics, recorded, now_ns, pause }
    }

    /// An address for settings, which nothing connects to.
    pub fn address() -> ResolvedAddress {
        ResolvedAddress::Unix(PathBuf::from("made-up"))
    }

    /// What time it is, ns since the start of sending.
    pub fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::Relaxed)
    }

    /// Whether everything is done.
    pub fn is_over(&self) -> bool {
        self.pause.is_none()
    }

    /// How long the loop would wait if nothing was heard, ns.
    pub fn wait_ns(&self) -> Option<u64> {
        let Pause { now_ns, due_ns, at_most } = self.pause?;
        let at_most_ns = at_most.as_nanos() as u64;
        Some(due_ns.map_or(at_most_ns, |due_ns| at_most_ns.min(due_ns.saturating_sub(now_ns))))
    }

    /// A round `after_ns` later, in which the connections in `heard` have octets or an end.
    pub fn round(&mut self, after_ns: u64, heard: &[usize]) {
        self.now_ns.fetch_add(after_ns, Ordering::Relaxed);
        self.engine.begin_round();
        for slot in heard {
            // An end is found where there is one: reads continue until nothing is left.
            self.engine.hear(*slot, SocketEvent { is_readable: true, is_ended: true });
        }
        self.engine.look();
        self.pause = self.engine.act();
        self.statistics.take(|interval| self.recorded.merge(interval));
    }

    /// From now on the target refuses connections.
    pub fn refuse(&mut self) {
        self.engine.network.refuses = true;
    }

    /// Connections that were asked for so far.
    pub fn tries(&self) -> u64 {
        self.engine.network.tries
    }

    /// Connections that were asked for since the last call.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.engine.network.asked)
    }

    /// The run ends here.
    pub fn end(self) -> RunEnd {
        let ByHandSender { engine, statistics, mut recorded, .. } = self;
        let ended = engine.end_all();
        let mut ledger = ended.ledger;
        ledger.count_overdue(ledger.ended_ns.unwrap_or(0));
        // Room for what is handed over at the close.
        statistics.take(|interval| recorded.merge(interval));
        let tally = ledger.close();
        statistics.take(|interval| recorded.merge(interval));
        RunEnd { tally, recorded, error: ended.error, is_lost: ended.is_lost }
    }
}
