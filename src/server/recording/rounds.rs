//! Rounds of the loop: the seconds that they end, and what was done in them.
use crate::smtp::reply;
use crate::smtp::tally::CommandTally;
use crate::stats::{Counter, Metric, Recorder};
use crate::tls::Failure;

use super::recording::{ROUNDS_KNOWN, Recording};
use crate::server::time_spent::{Spends, TimeSpent};

/// A wake ends at most this number of seconds, one by one. More is a machine that was suspended.
const SECONDS_MAX: u32 = 3600;

impl Recording {
    /// The loop goes to sleep, for `wait_ms` at most.
    #[inline]
    pub fn sleeps(&mut self, wait_ms: Option<u64>) {
        self.lateness.sleeps(self.woke_us, wait_ms);
    }

    /// The loop has woken. True for the first round of a second.
    pub fn begin_round(&mut self, now_us: u64, unix_ns: u64, tally: &mut CommandTally) -> bool {
        let Some(recorder) = &mut self.recorder else { return false };
        self.round = self.round.wrapping_add(1).max(1);
        self.lateness.woke(self.woke_us, now_us);
        let is_over = recorder.is_over(unix_ns);
        if is_over {
            take_replies(recorder, tally);
            self.end_seconds(now_us, unix_ns, |_, time, end_us| time.pass_ticks(end_us));
        }
        self.woke_us = now_us;
        self.time.begin_round(now_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.begin_round(unix_ns);
        }
        std::mem::take(&mut self.is_new_second) || is_over
    }

    /// Ends the seconds that are past at `now_us`; `before` is called with the time (us) at which a
    /// second ends, before it is handed over.
    #[cold]
    fn end_seconds(
        &mut self,
        now_us: u64,
        unix_ns: u64,
        mut before: impl FnMut(&mut Recorder, &mut TimeSpent, u64),
    ) {
        for _ in 0..SECONDS_MAX {
            let Some(recorder) = &mut self.recorder else { return };
            if !self.is_present && !recorder.is_used() || !recorder.is_over(unix_ns) {
                break;
            }
            if !recorder.can_hand_over() {
                // The hub is behind: this second goes on, and takes in what is left.
                return;
            }
            let end_ns = recorder.second_end_ns();
            let end_us = now_us.saturating_sub((unix_ns - end_ns) / 1000);
            let end_us = end_us.max(self.time.latest_us());
            before(recorder, &mut self.time, end_us);
            self.book_time(end_us);
            if let Some(recorder) = &mut self.recorder {
                recorder.begin_round(end_ns);
            }
        }
        if !self.is_present {
            // No connection waited meanwhile, for however long that was.
            self.lateness.begin(now_us);
        }
    }

    /// Books where the time went up to `end_us` in the second that is being recorded.
    fn book_time(&mut self, end_us: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        let sums = self.time.take(end_us);
        let starved = self.lateness.take(&sums, recorder.recorded(Counter::BusyUs), end_us);
        let (storage, commit) = (sums.of(Spends::Storage), sums.of(Spends::Commit));
        let (unread, between) = (sums.of(Spends::Unread), sums.of(Spends::Between));
        let local = sums.of(Spends::LocalTransfer);
        for (counter, us) in [
            (Counter::SinkUs, sums.of(Spends::Loop) + storage + commit),
            (Counter::StorageUs, storage),
            (Counter::CommitUs, commit),
            (Counter::SlowedUs, starved.served_us),
            (Counter::ThinkUs, sums.of(Spends::Command) + unread + between),
            (Counter::UnreadUs, unread),
            (Counter::BetweenUs, between),
            (Counter::TransferUs, sums.of(Spends::Transfer) + local),
            (Counter::LocalTransferUs, local),
            (Counter::StarvedUs, starved.waiting_us),
        ] {
            recorder.add(counter, us);
        }
        if self.is_present {
            recorder.add(Counter::ActiveUs, self.presence.claim(end_us));
        }
    }

    /// The first connection of this worker came into use, or the last one went; the round began at
    /// `woke_us`.
    fn follow_presence(&mut self, woke_us: u64, now_us: u64) {
        self.is_present = !self.is_present;
        if self.is_present {
            return self.presence.enter(woke_us);
        }
        let active_us = self.presence.leave(now_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.add(Counter::ActiveUs, active_us);
        }
    }

    /// The loop has done its work.
    pub fn end_round(&mut self, now_us: u64, unix_ns: u64, tally: &mut CommandTally) {
        let Some(recorder) = &mut self.recorder else { return };
        self.ends[self.round as usize % ROUNDS_KNOWN] = now_us;
        // Waking for nothing is nothing to write down: it would wake us again.
        let is_used = recorder.is_used();
        if is_used {
            self.record_round(now_us);
        }
        let mut began_us = std::mem::replace(&mut self.woke_us, now_us);
        if let Some(recorder) = self.recorder.as_mut().filter(|it| it.is_over(unix_ns)) {
            // They are answers of the round, as its messages are: of the second of its beginning.
            take_replies(recorder, tally);
            self.is_new_second = true;
            self.end_seconds(now_us, unix_ns, |recorder, _, end_us| {
                recorder.add(Counter::BusyUs, end_us.saturating_sub(began_us));
                began_us = began_us.max(end_us);
            });
        }
        self.time.end_round(now_us);
        self.lateness.end_round(now_us.saturating_sub(began_us));
        if let Some(recorder) = self.recorder.as_mut().filter(|_| is_used) {
            recorder.add(Counter::BusyUs, now_us.saturating_sub(began_us));
        }
        if self.time.is_anybody_waiting() != self.is_present {
            self.follow_presence(began_us, now_us);
        }
    }

    /// What was done in the round.
    fn record_round(&mut self, now_us: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        let service_us = now_us.saturating_sub(self.woke_us);
        self.transactions.record(recorder, self.woke_us, now_us);
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

    /// A round took longer than the watchdog allows.
    #[cold]
    pub fn long_round(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.add(Counter::LongRounds, 1);
        }
    }

    /// When there must be a round although nothing happens, Unix ns.
    pub fn due_ns(&self) -> Option<u64> {
        let recorder = self.recorder.as_ref()?;
        (self.is_present || recorder.is_used()).then(|| recorder.second_end_ns())
    }

    /// The worker has stopped, at `now_us`.
    pub fn close(mut self, now_us: u64, tally: &mut CommandTally) {
        self.book_time(now_us);
        if let Some(mut recorder) = self.recorder {
            take_replies(&mut recorder, tally);
            recorder.close();
        }
    }
}

/// Hands over the replies since the last time.
fn take_replies(recorder: &mut Recorder, tally: &mut CommandTally) {
    let unexpected = tally.replies_of(&reply::PROXY_UNEXPECTED);
    recorder.add(Counter::ProxyUnexpected, u64::from(unexpected));
    let plain_expected = u64::from(tally.replies_of(&reply::PLAIN_EXPECTED));
    recorder.add(Counter::TLS_FAILED[Failure::TlsOnPlainPort as usize], plain_expected);
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
    fn a_round_across_the_end_of_a_second_counts_in_the_second_of_its_beginning() {
        let (statistics, recorder) = RecordersByHand::new(kinds().len());
        let mut recording = Recording::new(Some(recorder), Arc::default());
        let mut tally = CommandTally::default();
        let s = 1_000_000_000;
        assert!(recording.begin_round(900_000, 50 * s + 900_000_000, &mut tally));
        recording.turned_away();
        tally.replies[0] = 3;
        recording.end_round(1_200_000, 51 * s + 200_000_000, &mut tally);
        assert!(recording.begin_round(1_300_000, 51 * s + 300_000_000, &mut tally), "queues");
        let mut seconds = Vec::new();
        statistics.take(|interval| {
            let busy_us = interval.counter(Counter::BusyUs);
            seconds.push((interval.second, interval.replies()[0], busy_us));
        });
        assert_eq!(seconds, [(50, 3, 100_000)], "work is split, answers are not");
    }
}
