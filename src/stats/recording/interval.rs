//! The recordings of one second, by one worker or merged from all.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::counts::Counts;
use super::listener_counts::ListenerCounts;
use crate::stats::format::TENTHS;
use crate::stats::metrics::{Counter, Metric};
use crate::stats::sessions::{SessionHint, SessionKey, SessionSecond, SessionSeconds};

/// Histograms and counters of one second.
#[derive(Debug, Clone)]
pub struct Interval {
    /// The second, in Unix time; 0 in an interval that was never used.
    pub second: u64,
    counts: Counts,
    counters: [u64; Counter::ALL.len()],
    /// Counts of replies, by kind.
    replies: Vec<u64>,
    /// Counts by listener; empty if listeners are not told apart.
    listeners: Vec<ListenerCounts>,
    /// Accepted messages in each tenth of the second.
    pub tenths: [u32; TENTHS],
    /// Time in loop rounds of the busiest worker, in µs.
    pub busiest_us: u64,
    /// Connections waiting to be accepted when the second began.
    pub accept_queue: u64,
    /// Connections open at the end of the second. Only the hub sets it.
    pub open_connections: u64,
    /// Messages not indexed at the end of the second.
    pub index_lag_messages: u64,
    /// Age of the oldest of these messages, in seconds.
    pub index_lag_s: u64,
    sessions: SessionSeconds,
}

impl Interval {
    /// Returns an empty interval for this number of kinds of replies. Costs about 30 KiB per
    /// metric.
    pub fn new(reply_kinds: usize) -> Interval {
        Interval::by_listener(reply_kinds, 0)
    }

    /// Returns an empty interval with places for this number of kinds of replies and of listeners.
    /// Costs about 30 KiB per metric.
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

    /// Records `n` values. Values above the metric's maximum are recorded as the maximum, and
    /// counted.
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

    /// Adds `n` to a counter. Costs about 1 ns.
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

    /// Returns the entry of a session in this second, if it is where `hint` says.
    #[inline]
    pub fn find_session(&mut self, hint: SessionHint, id: u64) -> Option<&mut SessionSecond> {
        self.sessions.find(hint, id)
    }

    /// Adds an entry for a session, and returns where it is; `None` if too many sessions were
    /// active, which is counted.
    #[inline]
    pub fn add_session(&mut self, key: SessionKey) -> Option<SessionHint> {
        let hint = self.sessions.add(key);
        if hint.is_none() {
            self.counters[Counter::LostSessions as usize] += 1;
        }
        hint
    }

    /// Returns one entry for each session that was active in the second, in no particular order.
    pub fn sessions(&self) -> &[SessionSecond] {
        self.sessions.as_slice()
    }

    /// Adds the sessions of another interval, which [`Interval::merge`] leaves out.
    pub fn append_sessions(&mut self, other: &Interval) {
        self.sessions.append(&other.sessions);
    }

    /// Returns the histogram of a metric. Costs about 3 µs and 30 KiB.
    pub fn histogram(&self, metric: Metric) -> Histogram<u64> {
        self.counts.histogram(metric)
    }

    /// Returns the value of a counter in this interval.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Returns the counts of each listener, by its number; empty if listeners are not told apart.
    pub fn listeners(&self) -> &[ListenerCounts] {
        &self.listeners
    }

    /// Returns the counts of one listener, for adding to them; `None` if they are not kept per
    /// listener.
    /// The interval's counters must include everything counted here.
    #[inline]
    pub fn listener_mut(&mut self, listener: usize) -> Option<&mut ListenerCounts> {
        self.listeners.get_mut(listener)
    }

    /// Returns the number of replies of each kind, by its place in
    /// [`RecordedNames::replies`](super::RecordedNames::replies).
    pub fn replies(&self) -> &[u64] {
        &self.replies
    }

    /// Returns the numbers of replies like [`Interval::replies`], to be added to.
    pub fn replies_mut(&mut self) -> &mut [u64] {
        &mut self.replies
    }

    /// Returns whether all counters and replies are 0. The hub does not write such an interval.
    pub fn is_empty(&self) -> bool {
        self.counters.iter().all(|n| *n == 0) && self.replies.iter().all(|n| *n == 0)
    }

    /// Adds another interval, except its sessions. No value is lost, because all intervals have the
    /// same maximum values.
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
            // Saturates, because sums over days do not fit; readers use tenths only within a
            // second.
            *mine = mine.saturating_add(*theirs);
        }
        self.busiest_us = self.busiest_us.max(other.busiest_us);
        self.accept_queue += other.accept_queue;
        self.open_connections = self.open_connections.max(other.open_connections);
        self.index_lag_messages = self.index_lag_messages.max(other.index_lag_messages);
        self.index_lag_s = self.index_lag_s.max(other.index_lag_s);
    }

    /// Clears the interval. Costs a `memset` of 0.7 MB, or 1 MB with the metrics of senders.
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

    /// Returns the counters by name, without those that are 0.
    pub fn named_counters(&self) -> BTreeMap<&'static str, u64> {
        let all = Counter::ALL.iter().map(|c| (c.tag(), self.counter(*c)));
        all.filter(|(_, n)| *n > 0).collect()
    }
}
