//! What was recorded in one second: by one worker, or by all of them.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::counts::Counts;
use super::listener_counts::ListenerCounts;
use super::metric::{Counter, Metric};
use super::sessions::{SessionKey, SessionSecond, SessionSeconds};

/// Parts of a second in which messages are counted, so that stutter shows.
pub const TENTHS: usize = 10;

/// Histograms and counters of one second.
#[derive(Debug, Clone)]
pub struct Interval {
    /// Unix time, s.
    pub second: u64,
    counts: Counts,
    counters: [u64; Counter::ALL.len()],
    /// Replies, by code and enhanced code as sent (`250 2.1.0`).
    replies: Vec<u64>,
    /// By listener; empty where listeners are not told apart.
    listeners: Vec<ListenerCounts>,
    /// Accepted messages in each tenth of the second.
    pub tenths: [u32; TENTHS],
    /// Time in loop rounds of the busiest worker, us.
    pub busiest_us: u64,
    /// Connections that waited to be accepted when the second began.
    pub accept_queue: u64,
    /// Connections open at its end.
    pub open_connections: u64,
    /// Messages that were not indexed at its end.
    pub index_lag_messages: u64,
    /// Age of the oldest of them, s.
    pub index_lag_s: u64,
    sessions: SessionSeconds,
}

impl Interval {
    /// An empty one, for replies of as many kinds. Costs about 30 KiB for each metric.
    pub fn new(reply_kinds: usize) -> Interval {
        Interval::by_listener(reply_kinds, 0)
    }

    /// An empty interval, for replies of as many kinds, and for this number of listeners.
    pub fn by_listener(reply_kinds: usize, listeners: usize) -> Interval {
        Interval {
            second: 0,
            counts: Counts::new(),
            counters: [0; Counter::ALL.len()],
            replies: vec![0; reply_kinds],
            listeners: vec![ListenerCounts::default(); listeners],
            tenths: [0; TENTHS],
            busiest_us: 0,
            accept_queue: 0,
            open_connections: 0,
            index_lag_messages: 0,
            index_lag_s: 0,
            sessions: SessionSeconds::new(),
        }
    }

    /// Records `n` values; beyond the metric's bound they are recorded as the bound, and counted.
    #[inline]
    pub fn record_n(&mut self, metric: Metric, value: u64, n: u64) {
        if value > metric.max() {
            return self.record_beyond(metric, n);
        }
        self.counts.record_n(metric, value, n);
    }

    #[cold]
    fn record_beyond(&mut self, metric: Metric, n: u64) {
        self.counters[Counter::Saturated as usize] += n;
        self.counts.record_n(metric, metric.max(), n);
    }

    /// Adds to a counter.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.counters[counter as usize] += n;
    }

    /// Counts a message of `bytes` octets in a tenth of the second.
    #[inline]
    pub fn message(&mut self, tenth: usize, bytes: u64) {
        self.add(Counter::Messages, 1);
        self.add(Counter::MessageBytes, bytes);
        self.record_n(Metric::MessageSize, bytes, 1);
        self.tenths[tenth] += 1;
    }

    /// What this session did in the second so far. `at`: where it was found last, in whichever
    /// second.
    #[inline]
    pub fn find_session(&mut self, at: u32, id: u64) -> Option<&mut SessionSecond> {
        self.sessions.find(at, id)
    }

    /// Adds a session that did nothing in the second before. Returns its place; `None`: more
    /// sessions did anything than are recorded one by one, which is counted.
    #[inline]
    pub fn add_session(&mut self, key: SessionKey) -> Option<u32> {
        let place = self.sessions.add(key);
        if place.is_none() {
            self.counters[Counter::LostSessions as usize] += 1;
        }
        place
    }

    /// The sessions that did anything.
    pub fn sessions(&self) -> &[SessionSecond] {
        self.sessions.as_slice()
    }

    /// Adds the sessions of another one, which [`Interval::merge`] leaves out.
    pub fn append_sessions(&mut self, other: &Interval) {
        self.sessions.append(&other.sessions);
    }

    /// The histogram of a metric. Costs about 3 us, and 30 KiB.
    pub fn histogram(&self, metric: Metric) -> Histogram<u64> {
        self.counts.histogram(metric)
    }

    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// What happened at each listener.
    pub fn listeners(&self) -> &[ListenerCounts] {
        &self.listeners
    }

    /// What happened at one listener, to be added to. `None`: listeners are not told apart. The
    /// interval's counters have all that is counted here.
    #[inline]
    pub fn listener_mut(&mut self, listener: usize) -> Option<&mut ListenerCounts> {
        self.listeners.get_mut(listener)
    }

    /// Replies of each kind.
    pub fn replies(&self) -> &[u64] {
        &self.replies
    }

    /// The counts of replies, to be added to.
    pub fn replies_mut(&mut self) -> &mut [u64] {
        &mut self.replies
    }

    /// Did nothing happen?
    pub fn is_empty(&self) -> bool {
        self.counters.iter().all(|n| *n == 0) && self.replies.iter().all(|n| *n == 0)
    }

    /// Adds what another one holds, but for its sessions; loses nothing, as all have the same
    /// bounds.
    pub fn merge(&mut self, other: &Interval) {
        self.counts.merge(&other.counts);
        for (mine, theirs) in self.counters.iter_mut().zip(&other.counters) {
            *mine += theirs;
        }
        for (mine, theirs) in self.replies.iter_mut().zip(&other.replies) {
            *mine += theirs;
        }
        for (mine, theirs) in self.listeners.iter_mut().zip(&other.listeners) {
            mine.add(theirs);
        }
        for (mine, theirs) in self.tenths.iter_mut().zip(&other.tenths) {
            // Sums over days don't fit; no reader uses the tenths of more than a second.
            *mine = mine.saturating_add(*theirs);
        }
        self.busiest_us = self.busiest_us.max(other.busiest_us);
        self.accept_queue += other.accept_queue;
        self.open_connections = self.open_connections.max(other.open_connections);
        self.index_lag_messages = self.index_lag_messages.max(other.index_lag_messages);
        self.index_lag_s = self.index_lag_s.max(other.index_lag_s);
    }

    /// Clears the interval. Costs a `memset` of its 800 KiB.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.counters.fill(0);
        self.replies.fill(0);
        self.listeners.fill(ListenerCounts::default());
        self.tenths.fill(0);
        self.busiest_us = 0;
        self.accept_queue = 0;
        self.open_connections = 0;
        self.index_lag_messages = 0;
        self.index_lag_s = 0;
        self.sessions.clear();
    }

    /// Counters by name, those that are 0 left out.
    pub fn named_counters(&self) -> BTreeMap<&'static str, u64> {
        let all = Counter::ALL.iter().map(|c| (c.tag(), self.counter(*c)));
        all.filter(|(_, n)| *n > 0).collect()
    }
}
