//! The worker's side of statistics: records into an interval, and hands it over when its second is
//! over.
use crossbeam_channel::{Receiver, Sender};

use super::interval::Interval;
use super::listener_counts::ListenerCounts;
use crate::stats::format::TENTHS;
use crate::stats::metrics::{Counter, Metric};
use crate::stats::sessions::{SessionHint, SessionKey, SessionSecond};
use crate::time::UnixNs;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts of values that are almost always the same; they are recorded once a second.
#[derive(Debug, Default)]
struct FrequentCounts {
    /// Reads with exactly one command, for the metric `commands_per_read`.
    lone_commands: u64,
    /// Payloads that arrived within one round.
    whole_transfers: u64,
    /// Messages with exactly one recipient, for the metric `recipients_per_message`.
    lone_recipients: u64,
}

/// Records for one worker. No call but `close` waits. Calls allocate only for sessions beyond an
/// interval's capacity, and for the first value of a metric that only senders record.
#[derive(Debug)]
pub struct Recorder {
    current: Box<Interval>,
    /// An earlier second, for messages whose slot has a time in it but whose commit finished only
    /// now. Handed over with the current one.
    late: Option<Box<Interval>>,
    /// Whether anything was recorded in the current interval.
    is_used: bool,
    frequent: FrequentCounts,
    /// When the round began.
    round_ns: UnixNs,
    tenth: usize,
    /// Intervals that the hub has merged and cleared.
    empty: Receiver<Box<Interval>>,
    full: Sender<Box<Interval>>,
}

impl Recorder {
    pub(in crate::stats) fn new(
        current: Box<Interval>,
        empty: Receiver<Box<Interval>>,
        full: Sender<Box<Interval>>,
    ) -> Recorder {
        Recorder {
            current,
            late: None,
            is_used: false,
            frequent: FrequentCounts::default(),
            round_ns: UnixNs::EPOCH,
            tenth: 0,
            empty,
            full,
        }
    }

    /// Returns whether this Unix time is in another second.
    #[inline]
    pub fn is_past_second(&self, unix_ns: UnixNs) -> bool {
        unix_ns.second() != self.current.second
    }

    /// Begins a loop round at this Unix time. If a second is over, its recordings are handed to the
    /// hub.
    #[inline]
    pub fn begin_round(&mut self, unix_ns: UnixNs) {
        let second = unix_ns.second();
        self.tenth = tenth_of(unix_ns);
        self.round_ns = unix_ns;
        if second != self.current.second {
            self.next_second(second);
        }
    }

    /// Records the number of connections waiting to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        self.current.accept_queue = self.current.accept_queue.max(length);
    }

    /// Returns whether a past second can be handed over; otherwise the hub is behind.
    pub fn can_hand_over(&self) -> bool {
        !self.is_used || !self.empty.is_empty()
    }

    #[cold]
    fn next_second(&mut self, second: u64) {
        if self.is_used {
            // Without an empty interval the hub is behind. The interval then covers more than a
            // second, and nothing is lost.
            let Ok(empty) = self.empty.try_recv() else {
                return;
            };
            self.flush_frequent();
            let full = std::mem::replace(&mut self.current, empty);
            self.is_used = false;
            // The channel has as many places as there are intervals, so an error means that the hub
            // has ended.
            drop(self.full.try_send(full));
            self.hand_over_late();
        }
        self.current.second = second;
    }

    fn hand_over_late(&mut self) {
        if let Some(late) = self.late.take() {
            drop(self.full.try_send(late));
        }
    }

    /// Returns when the current second ends. In the past if the hub is behind.
    pub fn second_end_ns(&self) -> UnixNs {
        UnixNs::new((self.current.second + 1) * SECOND_NS)
    }

    /// Returns the value that a counter has reached in the current interval, before it is handed
    /// over.
    pub fn recorded(&self, counter: Counter) -> u64 {
        self.current.counter(counter)
    }

    /// Records the counts of frequent values.
    fn flush_frequent(&mut self) {
        let FrequentCounts { lone_commands, whole_transfers, lone_recipients } =
            std::mem::take(&mut self.frequent);
        self.current.record_n(Metric::CommandsPerRead, 1, lone_commands);
        self.current.record_n(Metric::Transfer, 0, whole_transfers);
        self.current.record_n(Metric::Recipients, 1, lone_recipients);
    }

    /// Returns whether anything has been recorded in this second.
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

    /// Records that a read contained `n` commands.
    #[inline]
    pub fn commands(&mut self, n: u64) {
        match n {
            1 => self.frequent.lone_commands += 1,
            _ => self.record(Metric::CommandsPerRead, n),
        }
    }

    /// Records a payload: its size, and the time from its first octet to its last.
    #[inline]
    pub fn transfer(&mut self, us: u64, bytes: u64) {
        if us == 0 {
            self.frequent.whole_transfers += 1;
            return;
        }
        self.record(Metric::Transfer, us);
        let rate = u128::from(bytes) * 1_000_000 / u128::from(us);
        self.record(Metric::TransferRate, u64::try_from(rate).unwrap_or(u64::MAX));
    }

    /// Records a message accepted in this round.
    #[inline]
    pub fn message(&mut self, bytes: u64, recipients: u64) {
        self.is_used = true;
        self.current.message(self.tenth, bytes);
        self.current.add(Counter::MessageRecipients, recipients);
        match recipients {
            1 => self.frequent.lone_recipients += 1,
            _ => self.current.record_n(Metric::Recipients, recipients, 1),
        }
    }

    /// Records a message accepted in this round, in the second of its slot's time, so that log and
    /// statistics agree.
    #[cold]
    pub fn message_at(&mut self, unix_ns: UnixNs, bytes: u64, recipients: u64) {
        self.is_used = true;
        let interval = self.interval_of(unix_ns.second());
        interval.message(tenth_of(unix_ns), bytes);
        interval.add(Counter::MessageRecipients, recipients);
        interval.record_n(Metric::Recipients, recipients, 1);
    }

    /// Returns the counts of a listener in the current second; `None` if listeners are not told
    /// apart. What a caller adds to them, it must also add to the [`Counter`]s, which are the
    /// totals of all listeners.
    #[inline]
    pub fn listener(&mut self, listener: usize) -> Option<&mut ListenerCounts> {
        self.current.listener_mut(listener)
    }

    /// Returns the counts of a listener in the second of this Unix time, as in
    /// [`Recorder::message_at`].
    #[cold]
    pub fn listener_at(&mut self, unix_ns: UnixNs, listener: usize) -> Option<&mut ListenerCounts> {
        self.interval_of(unix_ns.second()).listener_mut(listener)
    }

    /// Returns the entry of a session in the current second; `None` if there is none, so it must be
    /// added.
    #[inline]
    pub fn find_session(&mut self, hint: SessionHint, id: u64) -> Option<&mut SessionSecond> {
        self.current.find_session(hint, id)
    }

    /// Records the beginning of a session in this round, and returns where its entry is. Costs 48
    /// bytes.
    #[inline]
    pub fn begin_session(&mut self, key: SessionKey) -> Option<SessionHint> {
        self.is_used = true;
        let us = self.round_us();
        let hint = self.current.add_session(key)?;
        if let Some(session) = self.current.find_session(hint, key.id) {
            session.begin(us);
        }
        Some(hint)
    }

    /// Changes the client of a session to the one in `key`. Everything it did in the current second
    /// counts for that client.
    #[cold]
    pub fn rename_session(&mut self, hint: &mut SessionHint, key: SessionKey) {
        self.is_used = true;
        match self.current.find_session(*hint, key.id) {
            Some(session) => session.rename(key),
            None => {
                self.add_session(hint, key);
            }
        }
    }

    /// Adds an entry for a session, and sets `hint` to it; `None` if too many sessions are active.
    /// Costs 48 bytes.
    #[cold]
    pub fn add_session(
        &mut self,
        hint: &mut SessionHint,
        key: SessionKey,
    ) -> Option<&mut SessionSecond> {
        self.is_used = true;
        *hint = self.current.add_session(key)?;
        self.current.find_session(*hint, key.id)
    }

    /// Adds an entry for a session in the second of this Unix time, which is not the current one.
    #[cold]
    pub fn add_session_at(
        &mut self,
        unix_ns: UnixNs,
        key: SessionKey,
    ) -> Option<&mut SessionSecond> {
        self.is_used = true;
        let interval = self.interval_of(unix_ns.second());
        let hint = interval.add_session(key)?;
        interval.find_session(hint, key.id)
    }

    /// Returns when the round began, in µs from the beginning of the current second; more than a
    /// second if the hub is behind.
    pub fn round_us(&self) -> u64 {
        self.round_ns.ns_since(UnixNs::new(self.current.second * SECOND_NS)) / 1000
    }

    /// Returns the interval of this second. If there is no empty one, the hub is behind, and the
    /// current interval is used.
    fn interval_of(&mut self, second: u64) -> &mut Interval {
        if second == self.current.second {
            return &mut self.current;
        }
        if self.late.as_ref().is_some_and(|late| late.second != second) {
            self.hand_over_late();
        }
        if self.late.is_none() {
            self.late = self.empty.try_recv().ok();
        }
        let Some(late) = &mut self.late else { return &mut self.current };
        late.second = second;
        late
    }

    /// Takes counts of replies, and sets them to 0.
    #[inline]
    pub fn take_replies(&mut self, counts: &mut [u32]) {
        for (mine, theirs) in self.current.replies_mut().iter_mut().zip(counts) {
            self.is_used |= *theirs > 0;
            *mine += u64::from(std::mem::take(theirs));
        }
    }

    /// Hands over the rest after the worker has stopped. May wait for the hub.
    pub fn close(mut self) {
        self.flush_frequent();
        self.hand_over_late();
        if self.is_used {
            drop(self.full.send(self.current));
        }
    }
}

fn tenth_of(unix_ns: UnixNs) -> usize {
    (unix_ns.get() % SECOND_NS / (SECOND_NS / TENTHS as u64)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stats::by_hand::RecordersByHand;

    #[test]
    fn a_message_counts_in_the_second_of_its_slot_however_late_its_commit_was() {
        let (statistics, mut recorder) = RecordersByHand::new(1);
        let (s, mut seconds) = (UnixNs::of_second, BTreeMap::new());
        let collect = |seconds: &mut BTreeMap<_, _>| {
            statistics.take(|interval| {
                let sums = seconds.entry(interval.second).or_insert((0, 0, 0, [0; TENTHS]));
                sums.0 += interval.counter(Counter::Messages);
                sums.1 += interval.counter(Counter::MessageRecipients);
                sums.2 += interval.histogram(Metric::Recipients).len();
                for (sum, n) in sums.3.iter_mut().zip(interval.tenths) {
                    *sum += n;
                }
            });
        };
        recorder.begin_round(s(50));
        recorder.message(10, 1);
        recorder.begin_round(s(53));
        collect(&mut seconds);
        recorder.message(10, 2);
        for (unix_ns, recipients) in
            [(UnixNs::of_tenth(505), 1), (s(50).saturating_add_ns(1), 3), (s(53), 1)]
        {
            recorder.message_at(unix_ns, 100, recipients);
        }
        recorder.begin_round(s(54));
        collect(&mut seconds);
        assert_eq!(seconds[&50], (3, 5, 3, [2, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
        assert_eq!(seconds[&53], (2, 3, 2, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_listener_counts_in_the_second_in_which_all_together_do() {
        let (statistics, mut recorder) = RecordersByHand::by_listener(1, 2);
        recorder.begin_round(UnixNs::of_second(53));
        recorder.message(10, 1);
        recorder.listener(1).unwrap().message(10);
        for (unix_ns, listener) in
            [(50, 0), (53, 1)].map(|(second, listener)| (UnixNs::of_second(second), listener))
        {
            recorder.message_at(unix_ns, 100, 1);
            recorder.listener_at(unix_ns, listener).unwrap().message(100);
        }
        assert!(recorder.listener(2).is_none());
        recorder.close();
        let (mut total, mut seconds) = (Interval::by_listener(1, 2), Vec::new());
        statistics.take(|interval| {
            let messages = interval.listeners().iter().map(|it| it.messages).sum::<u64>();
            assert_eq!(messages, interval.counter(Counter::Messages), "{}", interval.second);
            seconds.push((interval.second, messages));
            total.merge(interval);
        });
        assert_eq!(seconds, [(50, 1), (53, 2)]);
        let sums: Vec<_> = total.listeners().iter().map(|it| (it.messages, it.bytes)).collect();
        assert_eq!(sums, [(1, 100), (2, 110)]);
        total.clear();
        assert_eq!(total.listeners(), [ListenerCounts::default(); 2]);
    }

    #[test]
    fn without_an_empty_interval_a_late_message_counts_now() {
        let (statistics, mut recorder) = RecordersByHand::new(1);
        recorder.begin_round(UnixNs::of_second(53));
        for second in [50, 51, 52] {
            recorder.message_at(UnixNs::of_second(second), 100, 1);
        }
        recorder.close();
        let mut seconds = BTreeMap::new();
        statistics.take(|interval| {
            *seconds.entry(interval.second).or_insert(0) += interval.counter(Counter::Messages);
        });
        assert_eq!(seconds, BTreeMap::from([(50, 1), (51, 1), (53, 1)]));
    }
}
