//! What our own delays cost the connections: a loop that was stopped, or had no processor.
//!
//! A client whose octets lie in its socket waits for us, although the loop does not know of it yet.
use super::run_queue::RunQueue;
use super::sums::{Spends, Sums};

/// Timers are late by less than this on a machine that is not busy.
const LATE_MIN_US: u64 = 10_000;

/// How many connections waited for the loop when it came to look, since the last second ended.
#[derive(Debug, Default)]
struct Queues {
    /// Turns of connections in the round.
    turns: u64,
    /// The sleep before the round, and the length of the round before that, us.
    sleep_us: u64,
    round_us: u64,
    /// Sleeps, and each by the turns after it, us.
    slept_us: u64,
    turns_slept_us: u64,
    /// Long rounds, each by the turns after it, us.
    turns_stalled_us: u64,
}

impl Queues {
    /// The round of `round_us` has ended.
    #[inline]
    fn end_round(&mut self, round_us: u64) {
        let turns = std::mem::take(&mut self.turns);
        self.slept_us += self.sleep_us;
        self.turns_slept_us += self.sleep_us * turns;
        if self.round_us >= LATE_MIN_US {
            self.turns_stalled_us += self.round_us * turns;
        }
        self.round_us = round_us;
    }

    /// The sums; the round that is under way goes on.
    fn take(&mut self) -> Queues {
        let Queues { turns, sleep_us, round_us, .. } = *self;
        std::mem::replace(self, Queues { turns, sleep_us, round_us, ..Queues::default() })
    }
}

/// Time of connections in which a loop had no processor, us.
#[derive(Debug, Default)]
pub(crate) struct Starved {
    /// Time of connections that seem to wait for their client.
    pub waiting_us: u64,
    /// Time of connections that are served.
    pub served_us: u64,
}

/// Returns the part of `us` that `count` is of `of`.
fn part(us: u64, count: u64, of: u64) -> u64 {
    let part = u128::from(us) * u128::from(count) / u128::from(of.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// The delays of a loop, since the last second ended. Times are us of the worker's clock.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    /// `None`: the kernel does not tell, or the clock is made up.
    run_queue: Option<RunQueue>,
    /// When the loop should be awake again at the latest; 0: it did not say.
    awake_us: u64,
    /// It slept for longer than it had asked for: all of these sleeps.
    overslept_us: u64,
    /// When the second began.
    began_us: u64,
    queues: Queues,
}

impl Lateness {
    /// From now on the thread that calls is asked how long it waited for a processor.
    pub fn watch_run_queue(&mut self) {
        self.run_queue = RunQueue::of_this_thread();
    }

    /// The loop goes to sleep at `now_us`, for `wait_ms` at most.
    #[inline]
    pub fn sleeps(&mut self, now_us: u64, wait_ms: Option<u64>) {
        self.awake_us = wait_ms.map_or(0, |ms| now_us + ms * 1000 + LATE_MIN_US);
    }

    /// The loop, asleep since `slept_us`, woke at `now_us`.
    #[inline]
    pub fn woke(&mut self, slept_us: u64, now_us: u64) {
        self.queues.sleep_us = now_us.saturating_sub(slept_us);
        if now_us > self.awake_us && self.awake_us > 0 {
            // With traffic arriving, epoll wakes at once; a long sleep means the process was
            // stopped.
            self.overslept_us += self.queues.sleep_us;
        }
    }

    /// A connection has its turn.
    #[inline]
    pub fn turn(&mut self) {
        self.queues.turns += 1;
    }

    /// A round of `round_us` has ended.
    #[inline]
    pub fn end_round(&mut self, round_us: u64) {
        self.queues.end_round(round_us);
    }

    /// No connection was there up to `now_us`: there is nothing to be late for.
    pub fn begin(&mut self, now_us: u64) {
        (self.began_us, self.overslept_us, self.queues) = (now_us, 0, Queues::default());
        self.run_queue.as_mut().map(RunQueue::look);
    }

    /// A second ends at `end_us`, in which connections spent `sums` and the loop was at work for
    /// `busy_us`.
    pub fn take(&mut self, sums: &Sums, busy_us: u64, end_us: u64) -> Starved {
        let length_us = end_us.saturating_sub(self.began_us).max(1);
        self.began_us = end_us;
        let scheduled = self.run_queue.as_mut().map(RunQueue::look).unwrap_or_default();
        let queues = self.queues.take();
        let stopped_us = self.overslept_us.min(length_us);
        self.overslept_us -= stopped_us;
        // In rounds, waiting for a processor made these longer.
        let in_rounds_us = busy_us.saturating_sub(scheduled.ran_us).min(scheduled.waited_us);
        // A sleep that was too long counts once.
        let late_us = (scheduled.waited_us - in_rounds_us).saturating_sub(stopped_us);
        // All connections waited while it was stopped. When it wakes late, or a round was long
        // because it had no processor, those waited that have a turn in the round after.
        let waited_us = sums.waited_us();
        let stopped = part(waited_us, stopped_us, length_us);
        let late = part(late_us, queues.turns_slept_us, queues.slept_us);
        let stalled = part(queues.turns_stalled_us, in_rounds_us, busy_us);
        let late = late.min(part(waited_us, late_us, length_us));
        Starved {
            waiting_us: (stopped + late + stalled).min(waited_us),
            served_us: part(sums.of(Spends::Loop), in_rounds_us, busy_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::time_spent::sums::{Spending, TimeSpent};

    /// What `connections` spent in a second, all of it waiting for commands.
    fn waited(connections: usize) -> Sums {
        let mut time = TimeSpent::default();
        time.begin_round(0);
        for _ in 0..connections {
            time.moves(&mut Spending::default(), Spends::Command);
        }
        time.take(1_000_000)
    }

    #[test]
    fn all_connections_wait_while_the_loop_is_stopped() {
        let mut lateness = Lateness::default();
        lateness.sleeps(100_000, Some(100));
        lateness.woke(100_000, 800_000);
        let starved = lateness.take(&waited(10), 1000, 1_000_000);
        assert_eq!((starved.waiting_us, starved.served_us), (7_000_000, 0));
        assert_eq!(lateness.take(&waited(10), 1000, 2_000_000).waiting_us, 0, "once");
    }

    #[test]
    fn a_stop_of_several_seconds_is_in_each_of_them() {
        let mut lateness = Lateness::default();
        lateness.sleeps(500_000, Some(100));
        lateness.woke(500_000, 3_000_000);
        let of = [1, 2, 3].map(|s| lateness.take(&waited(1), 0, s * 1_000_000).waiting_us);
        assert_eq!(of, [1_000_000, 1_000_000, 500_000]);
    }

    #[test]
    fn a_sleep_that_ends_in_time_delays_no_connection() {
        let mut lateness = Lateness::default();
        lateness.sleeps(0, Some(100));
        lateness.woke(0, 105_000);
        lateness.sleeps(200_000, None);
        lateness.woke(200_000, 900_000);
        assert_eq!(lateness.take(&waited(10), 1000, 1_000_000).waiting_us, 0);
    }
}
