//! Recording of loop rounds, and of the seconds that end in them.
use crate::smtp::reply;
use crate::smtp::tally::CommandTally;
use crate::stats::{Counter, Metric, Recorder};
use crate::tls::Failure;

use super::{Measurements, ROUNDS_KNOWN};
use crate::server::recording::round_kind::RoundKind;
use crate::server::time_spent::{ConnectionState, TimeSpent};
use crate::time::{MonotonicUs, UnixNs};

/// Limit on the seconds that one wake-up ends, one by one. If more have passed, the machine was
/// suspended.
const SECONDS_MAX: u32 = 3600;

impl Measurements {
    /// Notes that the loop goes to sleep, for `wait_ms` at most.
    #[inline]
    pub fn sleeps(&mut self, wait_ms: Option<u64>) {
        self.lateness.sleeps(self.wake_us, wait_ms);
    }

    /// Begins a round.
    pub fn begin_round(
        &mut self,
        now_us: MonotonicUs,
        unix_ns: UnixNs,
        tally: &mut CommandTally,
    ) -> RoundKind {
        let Some(recorder) = &mut self.recorder else { return RoundKind::Other };
        self.round = self.round.wrapping_add(1).max(1);
        self.lateness.wakes(self.wake_us, now_us);
        let is_over = recorder.is_past_second(unix_ns);
        if is_over {
            take_replies(recorder, tally);
            self.end_seconds(now_us, unix_ns, |_, time, end_us| time.pass_ticks(end_us));
        }
        self.wake_us = now_us;
        self.time.begin_round(now_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.begin_round(unix_ns);
        }
        if std::mem::take(&mut self.is_new_second) || is_over {
            RoundKind::FirstOfSecond
        } else {
            RoundKind::Other
        }
    }

    /// Ends the seconds that are over at `now_us`. Before a second is handed over, `before` is
    /// called with the time at which it ends.
    #[cold]
    fn end_seconds(
        &mut self,
        now_us: MonotonicUs,
        unix_ns: UnixNs,
        mut before: impl FnMut(&mut Recorder, &mut TimeSpent, MonotonicUs),
    ) {
        for _ in 0..SECONDS_MAX {
            let Some(recorder) = &mut self.recorder else { return };
            if !self.is_present && !recorder.is_used() || !recorder.is_past_second(unix_ns) {
                break;
            }
            if !recorder.can_hand_over() {
                // The hub can't keep up: this second continues, and includes the rest.
                return;
            }
            let end_ns = recorder.second_end_ns();
            let end_us = now_us.saturating_sub_us(unix_ns.ns_since(end_ns) / 1000);
            let end_us = end_us.max(self.time.latest_us());
            before(recorder, &mut self.time, end_us);
            self.book_time(end_us);
            if let Some(recorder) = &mut self.recorder {
                recorder.begin_round(end_ns);
            }
        }
        if !self.is_present {
            // No connection waited during that time, however long it was.
            self.lateness.begin(now_us);
        }
    }

    /// Adds the time that connections spent up to `end_us` to the second that is being recorded.
    fn book_time(&mut self, end_us: MonotonicUs) {
        let Some(recorder) = &mut self.recorder else { return };
        let sums = self.time.take(end_us);
        let starved = self.lateness.take(&sums, recorder.recorded(Counter::BusyUs), end_us);
        let (storage, commit) =
            (sums.us(ConnectionState::Storage), sums.us(ConnectionState::Commit));
        let (unread, between) =
            (sums.us(ConnectionState::Unread), sums.us(ConnectionState::Between));
        let local = sums.us(ConnectionState::LocalTransfer);
        for (counter, us) in [
            (Counter::SinkUs, sums.us(ConnectionState::Loop) + storage + commit),
            (Counter::StorageUs, storage),
            (Counter::CommitUs, commit),
            (Counter::SlowedUs, starved.served_us),
            (Counter::ThinkUs, sums.us(ConnectionState::Command) + unread + between),
            (Counter::UnreadUs, unread),
            (Counter::BetweenUs, between),
            (Counter::TransferUs, sums.us(ConnectionState::Transfer) + local),
            (Counter::LocalTransferUs, local),
            (Counter::StarvedUs, starved.waiting_us),
        ] {
            recorder.add(counter, us);
        }
        if self.is_present {
            recorder.add(Counter::ActiveUs, self.presence.claim(end_us));
        }
    }

    /// Notes that the first connection of this worker came into use, or that the last one went
    /// idle. The round began at `wake_us`.
    fn follow_presence(&mut self, wake_us: MonotonicUs, now_us: MonotonicUs) {
        self.is_present = !self.is_present;
        if self.is_present {
            return self.presence.enter(wake_us);
        }
        let active_us = self.presence.leave(now_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.add(Counter::ActiveUs, active_us);
        }
    }

    /// Ends a round.
    pub fn end_round(&mut self, now_us: MonotonicUs, unix_ns: UnixNs, tally: &mut CommandTally) {
        let Some(recorder) = &mut self.recorder else { return };
        self.ends[self.round as usize % ROUNDS_KNOWN] = now_us;
        // A round without any work records nothing: a record would cause another wake-up.
        let is_used = recorder.is_used();
        if is_used {
            self.record_round(now_us);
        }
        let mut began_us = std::mem::replace(&mut self.wake_us, now_us);
        if let Some(recorder) = self.recorder.as_mut().filter(|it| it.is_past_second(unix_ns)) {
            // Replies count like messages: in the second in which the round began.
            take_replies(recorder, tally);
            self.is_new_second = true;
            self.end_seconds(now_us, unix_ns, |recorder, _, end_us| {
                recorder.add(Counter::BusyUs, end_us.us_since(began_us));
                began_us = began_us.max(end_us);
            });
        }
        self.time.end_round(now_us);
        self.lateness.end_round(now_us.us_since(began_us));
        if let Some(recorder) = self.recorder.as_mut().filter(|_| is_used) {
            recorder.add(Counter::BusyUs, now_us.us_since(began_us));
        }
        if self.time.has_active() != self.is_present {
            self.follow_presence(began_us, now_us);
        }
    }

    /// Records what was done in the round.
    fn record_round(&mut self, now_us: MonotonicUs) {
        let Some(recorder) = &mut self.recorder else { return };
        let service_us = now_us.us_since(self.wake_us);
        self.transactions.record(recorder, self.wake_us, now_us);
        let (commands, messages) = (self.commands, self.messages);
        if commands + messages == 0 {
            return;
        }
        recorder.add(Counter::Rounds, 1);
        recorder.record(Metric::Round, service_us);
        recorder.record_n(Metric::ServiceCommand, service_us, commands);
        recorder.record_n(Metric::ServiceMessage, service_us, messages);
        recorder.add(Counter::Commands, commands);
        (self.commands, self.messages) = (0, 0);
    }

    /// Counts a round that took longer than the watchdog allows.
    #[cold]
    pub fn long_round(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.add(Counter::LongRounds, 1);
        }
    }

    /// Returns when the next round is due even without events.
    pub fn due_ns(&self) -> Option<UnixNs> {
        let recorder = self.recorder.as_ref()?;
        (self.is_present || recorder.is_used()).then(|| recorder.second_end_ns())
    }

    /// Ends recording: the worker has stopped at `now_us`.
    pub fn close(mut self, now_us: MonotonicUs, tally: &mut CommandTally) {
        self.book_time(now_us);
        if let Some(mut recorder) = self.recorder {
            take_replies(&mut recorder, tally);
            recorder.close();
        }
    }
}

/// Hands over the replies counted since the last call.
fn take_replies(recorder: &mut Recorder, tally: &mut CommandTally) {
    let unexpected = tally.replies_of(&reply::PROXY_UNEXPECTED);
    recorder.add(Counter::ProxyUnexpected, u64::from(unexpected));
    let plain_expected = u64::from(tally.replies_of(&reply::PLAIN_EXPECTED));
    recorder.add(Counter::from(Failure::TlsOnPlainPort), plain_expected);
    let refused = reply::XCLIENT_REFUSALS.iter().map(|reply| u64::from(tally.replies_of(reply)));
    recorder.add(Counter::XclientRefused, refused.sum());
    recorder.take_replies(&mut tally.replies);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::smtp::tally::kinds;
    use crate::stats::by_hand::RecordersByHand;

    #[test]
    fn a_round_across_the_end_of_a_second_counts_in_the_second_in_which_it_began() {
        let (statistics, recorder) = RecordersByHand::new(kinds().len());
        let mut measurements = Measurements::new(Some(recorder), Arc::default());
        let mut tally = CommandTally::default();
        let (us, tenth) = (MonotonicUs::new, UnixNs::of_tenth);
        let kind = measurements.begin_round(us(900_000), tenth(509), &mut tally);
        assert_eq!(kind, RoundKind::FirstOfSecond);
        measurements.turned_away();
        tally.replies[0] = 3;
        measurements.end_round(us(1_200_000), tenth(512), &mut tally);
        let kind = measurements.begin_round(us(1_300_000), tenth(513), &mut tally);
        assert_eq!(kind, RoundKind::FirstOfSecond);
        let mut seconds = Vec::new();
        statistics.take(|interval| {
            let busy_us = interval.counter(Counter::BusyUs);
            seconds.push((interval.second, interval.replies()[0], busy_us));
        });
        assert_eq!(seconds, [(50, 3, 100_000)], "busy time is split, replies are not");
    }
}
