//! A worker's side: records into its own interval, and hands it over when its second is past.
use crossbeam_channel::{Receiver, Sender};

use super::interval::{Interval, TENTHS};
use super::metric::{Counter, Metric};

const SECOND_NS: u64 = 1_000_000_000;

/// One for each worker. No call locks, waits or allocates.
#[derive(Debug)]
pub struct Recorder {
    current: Box<Interval>,
    /// Something was recorded in it.
    is_used: bool,
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
        Recorder { current, is_used: false, tenth: 0, empty, full }
    }

    /// Begins a loop round at this Unix time: what was recorded in a second that is past goes to
    /// the hub. True if this is the first round of a second.
    #[inline]
    pub fn begin_round(&mut self, unix_ns: u64) -> bool {
        let second = unix_ns / SECOND_NS;
        self.tenth = (unix_ns % SECOND_NS / (SECOND_NS / TENTHS as u64)) as usize;
        let is_next = second != self.current.second;
        if is_next {
            self.next_second(second);
        }
        is_next
    }

    /// Connections that wait to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        self.current.accept_queue = self.current.accept_queue.max(length);
    }

    #[cold]
    fn next_second(&mut self, second: u64) {
        if self.is_used {
            // None: the hub is behind. The interval then grows beyond its second; nothing is lost.
            let Ok(empty) = self.empty.try_recv() else {
                return;
            };
            let full = std::mem::replace(&mut self.current, empty);
            self.is_used = false;
            // There are as many places as intervals; an error means that the hub has ended.
            drop(self.full.try_send(full));
        }
        self.current.second = second;
    }

    /// When the worker must begin a round although nothing happens, Unix ns; `None`: nothing is
    /// waiting to be handed over.
    pub fn due_ns(&self) -> Option<u64> {
        self.is_used.then(|| (self.current.second + 1) * SECOND_NS)
    }

    /// Records a value. Costs about 7 ns.
    #[inline]
    pub fn record(&mut self, metric: Metric, value: u64) {
        self.record_n(metric, value, 1);
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

    /// A message was accepted in this round.
    #[inline]
    pub fn message(&mut self, bytes: u64, recipients: u64) {
        self.add(Counter::Messages, 1);
        self.add(Counter::MessageBytes, bytes);
        self.add(Counter::MessageRecipients, recipients);
        self.record(Metric::MessageSize, bytes);
        self.record(Metric::Recipients, recipients);
        self.current.tenths[self.tenth] += 1;
    }

    /// Takes over counts of replies, which become 0.
    #[inline]
    pub fn take_replies(&mut self, counts: &mut [u32]) {
        self.is_used = true;
        for (mine, theirs) in self.current.replies_mut().iter_mut().zip(counts) {
            *mine += u64::from(std::mem::take(theirs));
        }
    }

    /// The worker has stopped: hands over what is left. May wait for the hub.
    pub fn close(self) {
        if self.is_used {
            drop(self.full.send(self.current));
        }
    }
}
