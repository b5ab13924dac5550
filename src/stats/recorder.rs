//! A worker's side: records into its own interval, and hands it over when its second is past.
use crossbeam_channel::{Receiver, Sender};

use super::interval::{Interval, TENTHS};
use super::metric::{Counter, Metric};

const SECOND_NS: u64 = 1_000_000_000;

/// What nearly always has one value is counted aside, and recorded once a second.
#[derive(Debug, Default)]
struct Often {
    /// Reads that brought one command.
    lone_commands: u64,
    /// Payloads that came within a round.
    whole_transfers: u64,
    /// Messages with one recipient.
    lone_recipients: u64,
}

/// One for each worker. No call locks, waits or allocates.
#[derive(Debug)]
pub struct Recorder {
    current: Box<Interval>,
    /// Something was recorded in it.
    is_used: bool,
    often: Often,
    tenth: usize,
    /// Empty ones come back from the hub.
    empty: Receiver<Box<Interval>>,
    full: Sender<Box<Interval>>,
}

impl Recorder {
    pub(super) fn new(
        current: Box<Interval>,
        empty: Receiver<Box<Interval>>,
        full: Sender<Box<Interval>>,
    ) -> Recorder {
        Recorder { current, is_used: false, often: Often::default(), tenth: 0, empty, full }
    }

    /// Does another second begin with this Unix time?
    #[inline]
    pub fn is_over(&self, unix_ns: u64) -> bool {
        unix_ns / SECOND_NS != self.current.second
    }

    /// Begins a loop round at this Unix time: what was recorded in a second that is past goes to
    /// the hub.
    #[inline]
    pub fn begin_round(&mut self, unix_ns: u64) {
        let second = unix_ns / SECOND_NS;
        self.tenth = (unix_ns % SECOND_NS / (SECOND_NS / TENTHS as u64)) as usize;
        if second != self.current.second {
            self.next_second(second);
        }
    }

    /// Connections that wait to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        self.current.accept_queue = self.current.accept_queue.max(length);
    }

    /// Whether the second can be handed over when it is past; otherwise the hub is behind.
    pub fn can_hand_over(&self) -> bool {
        !self.is_used || !self.empty.is_empty()
    }

    #[cold]
    fn next_second(&mut self, second: u64) {
        if self.is_used {
            // None: the hub is behind. The interval then grows beyond its second; nothing is lost.
            let Ok(empty) = self.empty.try_recv() else {
                return;
            };
            self.settle();
            let full = std::mem::replace(&mut self.current, empty);
            self.is_used = false;
            // There are as many places as intervals; an error means that the hub has ended.
            drop(self.full.try_send(full));
        }
        self.current.second = second;
    }

    /// When the second ends that is being recorded, Unix ns.
    pub fn second_end_ns(&self) -> u64 {
        (self.current.second + 1) * SECOND_NS
    }

    /// What a counter has in this second.
    pub fn recorded(&self, counter: Counter) -> u64 {
        self.current.counter(counter)
    }

    /// Records what was counted aside.
    fn settle(&mut self) {
        let Often { lone_commands, whole_transfers, lone_recipients } =
            std::mem::take(&mut self.often);
        self.current.record_n(Metric::CommandsPerRead, 1, lone_commands);
        self.current.record_n(Metric::Transfer, 0, whole_transfers);
        self.current.record_n(Metric::Recipients, 1, lone_recipients);
    }

    /// Has anything been recorded in this second?
    pub fn is_used(&self) -> bool {
        self.is_used
    }

    /// Records a value. Costs about 2 ns.
    #[inline]
    pub fn record(&mut self, metric: Metric, value: u64) {
        self.is_used = true;
        self.current.record_n(metric, value, 1);
    }

    /// Records a value `n` times, at the cost of once; nothing for `n` = 0.
    #[inline]
    pub fn record_n(&mut self, metric: Metric, value: u64, n: u64) {
        if n > 0 {
            self.is_used = true;
            self.current.record_n(metric, value, n);
        }
    }

    /// Adds to a counter. Costs about 1 ns.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        if n > 0 {
            self.is_used = true;
            self.current.add(counter, n);
        }
    }

    /// A read brought so many commands.
    #[inline]
    pub fn commands(&mut self, n: u64) {
        match n {
            1 => self.often.lone_commands += 1,
            _ => self.record(Metric::CommandsPerRead, n),
        }
    }

    /// A payload of so many octets took so long from its first to its last.
    #[inline]
    pub fn transfer(&mut self, us: u64, bytes: u64) {
        if us == 0 {
            self.often.whole_transfers += 1;
            return;
        }
        self.record(Metric::Transfer, us);
        let rate = u128::from(bytes) * 1_000_000 / u128::from(us);
        self.record(Metric::TransferRate, u64::try_from(rate).unwrap_or(u64::MAX));
    }

    /// A message was accepted in this round.
    #[inline]
    pub fn message(&mut self, bytes: u64, recipients: u64) {
        self.is_used = true;
        self.current.add(Counter::Messages, 1);
        self.current.add(Counter::MessageBytes, bytes);
        self.current.add(Counter::MessageRecipients, recipients);
        self.current.record_n(Metric::MessageSize, bytes, 1);
        match recipients {
            1 => self.often.lone_recipients += 1,
            _ => self.current.record_n(Metric::Recipients, recipients, 1),
        }
        self.current.tenths[self.tenth] += 1;
    }

    /// Takes over counts of replies, which become 0.
    #[inline]
    pub fn take_replies(&mut self, counts: &mut [u32]) {
        for (mine, theirs) in self.current.replies_mut().iter_mut().zip(counts) {
            self.is_used |= *theirs > 0;
            *mine += u64::from(std::mem::take(theirs));
        }
    }

    /// The worker has stopped: hands over what is left. May wait for the hub.
    pub fn close(mut self) {
        self.settle();
        if self.is_used {
            drop(self.full.send(self.current));
        }
    }
}
