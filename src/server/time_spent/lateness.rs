//! Delays that we caused to connections: the loop was stopped, or waited for a processor.
//!
//! A client whose octets are in the socket waits for us, although the loop has not seen them yet.

use crate::time::MonotonicUs;

use super::run_queue::RunQueue;
use super::sums::{ConnectionState, Sums};

/// On an idle machine, timers are late by less than this.
const LATE_MIN_US: u64 = 10_000;

/// Connections that were waiting whenever the loop woke, since the last second ended.
#[derive(Debug, Default)]
struct Queues {
    /// Turns of connections in the current round.
    turns: u64,
    /// The sleep before the round, and the length of the round before that, µs.
    sleep_us: u64,
    round_us: u64,
    /// The sum of all sleeps, and the sum of each sleep times the number of turns after it, µs.
    slept_us: u64,
    turns_slept_us: u64,
    /// The sum of each long round times the number of turns after it, µs.
    turns_stalled_us: u64,
}

impl Queues {
    /// Ends a round that took `round_us`.
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

    /// Takes the sums; the current round continues.
    fn take(&mut self) -> Queues {
        let Queues { turns, sleep_us, round_us, .. } = *self;
        std::mem::replace(self, Queues { turns, sleep_us, round_us, ..Queues::default() })
    }
}

/// Time of connections during which the loop had no processor, µs.
#[derive(Debug, Default)]
pub(crate) struct Starved {
    /// Time of connections that are counted as waiting for their clients.
    pub waiting_us: u64,
    /// Time of connections that are being served.
    pub served_us: u64,
}

/// Returns `us * count / of`.
fn part(us: u64, count: u64, of: u64) -> u64 {
    let part = u128::from(us) * u128::from(count) / u128::from(of.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// The delays of one loop since the last second ended.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    /// `None`: the kernel doesn't report it, or the clock is simulated.
    run_queue: Option<RunQueue>,
    /// When the loop should be awake again at the latest; `None` if it sleeps without a timeout.
    awake_us: Option<MonotonicUs>,
    /// The sum of all sleeps that exceeded the requested time by more than [`LATE_MIN_US`].
    overslept_us: u64,
    /// When the second began.
    began_us: MonotonicUs,
    queues: Queues,
}

impl Lateness {
    /// Starts to measure how long the calling thread waits for a processor.
    pub fn watch_run_queue(&mut self) {
        self.run_queue = RunQueue::open();
    }

    /// Notes that the loop goes to sleep at `now_us`, for `wait_ms` at most.
    #[inline]
    pub fn sleeps(&mut self, now_us: MonotonicUs, wait_ms: Option<u64>) {
        self.awake_us = wait_ms.map(|ms| now_us.saturating_add_us(ms * 1000 + LATE_MIN_US));
    }

    /// Notes that the loop, asleep since `since_us`, wakes at `now_us`.
    #[inline]
    pub fn wakes(&mut self, since_us: MonotonicUs, now_us: MonotonicUs) {
        self.queues.sleep_us = now_us.us_since(since_us);
        if self.awake_us.is_some_and(|awake_us| now_us > awake_us) {
            // With traffic arriving, epoll wakes at once; a long sleep means the process was
            // stopped.
            self.overslept_us += self.queues.sleep_us;
        }
    }

    /// Counts a turn of a connection.
    #[inline]
    pub fn turn(&mut self) {
        self.queues.turns += 1;
    }

    /// Ends a round that took `round_us`.
    #[inline]
    pub fn end_round(&mut self, round_us: u64) {
        self.queues.end_round(round_us);
    }

    /// Starts over at `now_us`: up to then there was no connection to delay.
    pub fn begin(&mut self, now_us: MonotonicUs) {
        (self.began_us, self.overslept_us, self.queues) = (now_us, 0, Queues::default());
        self.run_queue.as_mut().map(RunQueue::take);
    }

    /// Ends a second at `end_us`, in which connections spent `sums` and the loop worked for
    /// `busy_us`.
    pub fn take(&mut self, sums: &Sums, busy_us: u64, end_us: MonotonicUs) -> Starved {
        let length_us = end_us.us_since(self.began_us).max(1);
        self.began_us = end_us;
        let scheduled = self.run_queue.as_mut().map(RunQueue::take).unwrap_or_default();
        let queues = self.queues.take();
        let stopped_us = self.overslept_us.min(length_us);
        self.overslept_us -= stopped_us;
        // Time waited for a processor within rounds, which made the rounds longer.
        let in_rounds_us = busy_us.saturating_sub(scheduled.ran_us).min(scheduled.waited_us);
        // A sleep that was too long counts only once.
        let late_us = (scheduled.waited_us - in_rounds_us).saturating_sub(stopped_us);
        // While the loop was stopped, all connections waited. When it woke late, or a round was
        // long for lack of a processor, those with a turn in the next round waited.
        let waited_us = sums.waited_us();
        let stopped = part(waited_us, stopped_us, length_us);
        let late = part(late_us, queues.turns_slept_us, queues.slept_us);
        let stalled = part(queues.turns_stalled_us, in_rounds_us, busy_us);
        let late = late.min(part(waited_us, late_us, length_us));
        Starved {
            waiting_us: (stopped + late + stalled).min(waited_us),
            served_us: part(sums.us(ConnectionState::Loop), in_rounds_us, busy_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::time_spent::sums::{StateTimer, TimeSpent};

    fn at(us: u64) -> MonotonicUs {
        MonotonicUs::new(us)
    }

    /// Returns the sums of a second in which `connections` waited for commands.
    fn waited(connections: usize) -> Sums {
        let mut time = TimeSpent::default();
        time.begin_round(at(0));
        for _ in 0..connections {
            time.move_to(&mut StateTimer::default(), ConnectionState::Command);
        }
        time.take(at(1_000_000))
    }

    #[test]
    fn all_connections_wait_while_the_loop_is_stopped() {
        let mut lateness = Lateness::default();
        lateness.sleeps(at(100_000), Some(100));
        lateness.wakes(at(100_000), at(800_000));
        let starved = lateness.take(&waited(10), 1000, at(1_000_000));
        assert_eq!((starved.waiting_us, starved.served_us), (7_000_000, 0));
        assert_eq!(lateness.take(&waited(10), 1000, at(2_000_000)).waiting_us, 0, "once");
    }

    #[test]
    fn a_stop_of_several_seconds_counts_in_each_of_them() {
        let mut lateness = Lateness::default();
        lateness.sleeps(at(500_000), Some(100));
        lateness.wakes(at(500_000), at(3_000_000));
        let of = [1, 2, 3].map(|s| lateness.take(&waited(1), 0, at(s * 1_000_000)).waiting_us);
        assert_eq!(of, [1_000_000, 1_000_000, 500_000]);
    }

    #[test]
    fn a_sleep_that_ends_in_time_delays_no_connection() {
        let mut lateness = Lateness::default();
        lateness.sleeps(at(0), Some(100));
        lateness.wakes(at(0), at(105_000));
        lateness.sleeps(at(200_000), None);
        lateness.wakes(at(200_000), at(900_000));
        assert_eq!(lateness.take(&waited(10), 1000, at(1_000_000)).waiting_us, 0);
    }
}
