//! Sums of the time that a worker's connections spend in each state.
//!
//! Each connection is in one state at a time. A state's sum over a second is the area under its
//! number of connections: entering a state subtracts the current time, leaving it adds the current
//! time, and the end of a second reads the counts once. So time is split at the ends of seconds,
//! and a wait is counted while it lasts. The resolution is the loop round.
use crate::time::MonotonicUs;

/// The states in which the time of connections is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// Neither side waits: the connection has had no transaction for one to two ticks, waits for a
    /// PROXY header, or is closing.
    #[default]
    Away,
    /// The connection waits for the client's first transaction.
    Opening,
    /// The client waits for our loop.
    Loop,
    /// The client waits for room in the log.
    Storage,
    /// The client waits for a commit.
    Commit,
    /// The transaction waits for the client's next command, or for the first octet after 354.
    Command,
    /// The client doesn't read the replies.
    Unread,
    /// The connection waits for the client's next transaction.
    Between,
    /// A payload is in transit from another machine.
    Transfer,
    /// A payload is in transit from this machine.
    LocalTransfer,
}

/// Number of states.
const STATES: usize = 10;
/// Length of a tick, µs. Ticks measure how long a connection has been between transactions.
const TICK_US: u64 = 50_000;
/// A connection without a transaction counts as away after one to two ticks, at the latest after
/// this time.
pub const IDLE_US: u64 = 2 * TICK_US;

/// A connection's part in the sums. It is small, as there may be tens of thousands of connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct StateTimer {
    state: ConnectionState,
    /// Whether the connection has had a transaction.
    has_begun: bool,
    /// The round in which it was last served.
    round: u32,
    /// The tick in which its wait for a transaction began.
    tick: u32,
    /// The client's own time before its first MAIL, µs.
    opening_us: u32,
}

impl StateTimer {
    /// Notes that the client answered after `think_us`. Before the first MAIL this time is set
    /// aside, and counted only once there is a transaction.
    pub fn answered(&mut self, think_us: u64) {
        if !self.has_begun {
            let think_us = think_us.min(IDLE_US) as u32;
            self.opening_us = self.opening_us.saturating_add(think_us);
        }
    }
}

/// Sums over all connections, µs, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums([u64; STATES]);

impl Sums {
    /// Returns the time in one state.
    pub fn us(&self, state: ConnectionState) -> u64 {
        self.0[state as usize]
    }

    /// Returns the time during which we waited for clients or their payloads.
    pub fn waited_us(&self) -> u64 {
        use ConnectionState::{Between, Command, LocalTransfer, Transfer, Unread};
        [Command, Unread, Between, Transfer, LocalTransfer].map(|state| self.us(state)).iter().sum()
    }
}

/// The sums of one worker. Times never decrease.
#[derive(Debug, Default)]
pub struct TimeSpent {
    /// By state: times of leaving minus times of entering, in modular arithmetic, since the sums
    /// were last taken.
    areas: [u64; STATES],
    counts: [u32; STATES],
    /// The sum of `counts`.
    waiting: u32,
    /// By state: connections that enter it when the round ends, as they are served until then.
    entering: [u32; STATES],
    /// The number of clients served in this round, and a bit for each state that is not 0 in
    /// `entering`.
    served: u32,
    entered: u32,
    /// Connections that are served in this round and wait for a command both before and after it.
    stayed: u32,
    round: u32,
    /// When the round began or the last one ended, or when the sums were last taken, whichever is
    /// latest.
    wake_us: MonotonicUs,
    tick: u32,
    next_tick_us: MonotonicUs,
    /// Connections without a transaction, by state ([`idle_index`]): those that have waited since
    /// this tick, and since the previous one.
    recent: [[u32; 2]; 2],
}

impl TimeSpent {
    /// Begins a loop round.
    #[inline]
    pub fn begin_round(&mut self, wake_us: MonotonicUs) {
        self.round = self.round.wrapping_add(1).max(1);
        if wake_us >= self.next_tick_us {
            self.pass_ticks(wake_us);
        }
        self.wake_us = wake_us;
    }

    /// Moves a connection to the state `to`; nothing was sent to its client.
    #[inline]
    pub fn move_to(&mut self, conn: &mut StateTimer, to: ConnectionState) {
        if conn.round == self.round {
            return self.change_end(conn, to);
        }
        if conn.state != to {
            self.leave_state(conn, self.wake_us);
            self.enter(to, 1, self.wake_us);
            if let Some(index) = idle_index(to) {
                conn.tick = self.tick;
                self.recent[index][0] += 1;
            }
            conn.state = to;
        }
    }

    /// Moves a connection to the state `to` at the end of the round. Something was sent to its
    /// client, which counts as waiting for us from the start of the round to its end.
    #[inline]
    pub fn served(&mut self, conn: &mut StateTimer, to: ConnectionState) {
        if conn.round == self.round {
            return self.change_end(conn, to);
        }
        self.served += 1;
        conn.round = self.round;
        if conn.state == to && to == ConnectionState::Command {
            // The usual case: it leaves the state, and enters it again at the end of the round.
            self.stayed += 1;
            return;
        }
        self.leave_state(conn, self.wake_us);
        self.enters_at_end(to);
        (conn.state, conn.tick) = (to, self.tick);
    }

    /// Changes the state in which a connection that was served in this round ends it.
    fn change_end(&mut self, conn: &mut StateTimer, to: ConnectionState) {
        if conn.state == to {
            return;
        }
        if conn.state == ConnectionState::Command
            && self.entering[ConnectionState::Command as usize] == 0
        {
            self.stayed -= 1;
            self.leave(ConnectionState::Command, 1, self.wake_us);
        } else {
            self.entering[conn.state as usize] -= 1;
        }
        self.enters_at_end(to);
        (conn.state, conn.tick) = (to, self.tick);
    }

    #[inline]
    fn enters_at_end(&mut self, to: ConnectionState) {
        self.entering[to as usize] += 1;
        self.entered |= 1 << to as u32;
    }

    /// Notes the first transaction of a session.
    #[inline]
    pub fn record_first_transaction(&mut self, conn: &mut StateTimer) {
        if !conn.has_begun {
            conn.has_begun = true;
            let opening_us = u64::from(std::mem::take(&mut conn.opening_us));
            self.add(ConnectionState::Between, opening_us);
        }
    }

    /// Ends the loop round.
    #[inline]
    pub fn end_round(&mut self, now_us: MonotonicUs) {
        self.serve_until(now_us);
        (self.served, self.stayed) = (0, 0);
        while self.entered != 0 {
            let state = ALL[self.entered.trailing_zeros() as usize];
            self.entered &= self.entered - 1;
            let count = std::mem::take(&mut self.entering[state as usize]);
            self.enter(state, count, now_us);
            if let Some(index) = idle_index(state) {
                self.recent[index][0] += count;
            }
        }
    }

    /// Adds the time up to `now_us` of clients that are served in this round.
    #[inline]
    fn serve_until(&mut self, now_us: MonotonicUs) {
        let us = now_us.us_since(self.wake_us);
        self.add(ConnectionState::Loop, u64::from(self.served).wrapping_mul(us));
        self.add(ConnectionState::Command, u64::from(self.stayed).wrapping_mul(us).wrapping_neg());
        self.wake_us = self.wake_us.max(now_us);
    }

    /// Returns whether any connection is in a state other than `Away`.
    #[inline]
    pub fn has_active(&self) -> bool {
        self.waiting > 0
    }

    /// Returns the latest time that a caller has passed.
    pub fn latest_us(&self) -> MonotonicUs {
        self.wake_us
    }

    /// Takes the sums up to `now_us`, which must not precede [`latest_us`](TimeSpent::latest_us).
    pub fn take(&mut self, now_us: MonotonicUs) -> Sums {
        debug_assert!(now_us >= self.wake_us, "time does not run back");
        self.serve_until(now_us);
        let mut sums = Sums::default();
        for state in 1..STATES {
            let open = u64::from(self.counts[state]).wrapping_mul(now_us.get());
            sums.0[state] = self.areas[state].wrapping_add(open);
            debug_assert!(sums.0[state] <= i64::MAX as u64, "no time is negative");
            self.areas[state] = open.wrapping_neg();
        }
        sums
    }

    /// Moves connections that have waited long enough for a transaction to the state `Away`.
    pub fn pass_ticks(&mut self, now_us: MonotonicUs) {
        let tick = now_us.get() / TICK_US;
        let now = tick as u32;
        self.next_tick_us = MonotonicUs::new((tick + 1) * TICK_US);
        while self.tick != now {
            // After two ticks nothing is left to do.
            if now.wrapping_sub(self.tick) > 2 && self.recent == [[0; 2]; 2] {
                self.tick = now;
                return;
            }
            self.tick = self.tick.wrapping_add(1);
            // Connections entered the state when the last round ended, and sums that were taken
            // don't change.
            let at_us =
                MonotonicUs::new(u64::from(self.tick) * TICK_US).clamp(self.wake_us, now_us);
            for state in [ConnectionState::Between, ConnectionState::Opening] {
                let Some(recent) = idle_index(state).map(|index| &mut self.recent[index]) else {
                    continue;
                };
                let [last, idle] = *recent;
                *recent = [0, last];
                self.leave(state, idle, at_us);
            }
        }
    }

    fn leave_state(&mut self, conn: &StateTimer, at_us: MonotonicUs) {
        let mut state = conn.state;
        if let Some(index) = idle_index(state) {
            match self.tick.wrapping_sub(conn.tick) {
                age @ (0 | 1) => self.recent[index][age as usize] -= 1,
                _ => state = ConnectionState::Away,
            }
        }
        self.leave(state, 1, at_us);
    }

    #[inline]
    fn enter(&mut self, state: ConnectionState, count: u32, at_us: MonotonicUs) {
        if state == ConnectionState::Away {
            return;
        }
        self.counts[state as usize] += count;
        self.waiting += count;
        let area = &mut self.areas[state as usize];
        *area = area.wrapping_sub(u64::from(count).wrapping_mul(at_us.get()));
    }

    #[inline]
    fn leave(&mut self, state: ConnectionState, count: u32, at_us: MonotonicUs) {
        if state == ConnectionState::Away {
            return;
        }
        self.counts[state as usize] -= count;
        self.waiting -= count;
        self.add(state, u64::from(count).wrapping_mul(at_us.get()));
    }

    #[inline]
    fn add(&mut self, state: ConnectionState, us: u64) {
        let area = &mut self.areas[state as usize];
        *area = area.wrapping_add(us);
    }
}

/// Returns the index in `recent` of a state that turns into `Away` after a while.
#[inline]
fn idle_index(state: ConnectionState) -> Option<usize> {
    match state {
        ConnectionState::Between => Some(0),
        ConnectionState::Opening => Some(1),
        _ => None,
    }
}

/// All states, in the order of their values.
const ALL: [ConnectionState; STATES] = [
    ConnectionState::Away,
    ConnectionState::Opening,
    ConnectionState::Loop,
    ConnectionState::Storage,
    ConnectionState::Commit,
    ConnectionState::Command,
    ConnectionState::Unread,
    ConnectionState::Between,
    ConnectionState::Transfer,
    ConnectionState::LocalTransfer,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(us: u64) -> MonotonicUs {
        MonotonicUs::new(us)
    }

    /// Ends a second at `end_us`.
    fn taken(time: &mut TimeSpent, end_us: MonotonicUs) -> Sums {
        time.pass_ticks(end_us);
        time.take(end_us)
    }

    #[test]
    fn a_wait_is_split_at_the_end_of_a_second() {
        let (mut time, mut conn) = (TimeSpent::default(), StateTimer::default());
        time.begin_round(at(1000));
        time.served(&mut conn, ConnectionState::Command);
        time.end_round(at(1300));
        let first = taken(&mut time, at(1_000_000));
        assert_eq!(
            (first.us(ConnectionState::Loop), first.us(ConnectionState::Command)),
            (300, 998_700)
        );
        time.begin_round(at(1_400_000));
        time.served(&mut conn, ConnectionState::Commit);
        time.end_round(at(1_400_050));
        let second = taken(&mut time, at(2_000_000));
        assert_eq!(
            (second.us(ConnectionState::Loop), second.us(ConnectionState::Command)),
            (50, 400_000)
        );
        assert_eq!((second.us(ConnectionState::Commit), second.waited_us()), (599_950, 400_000));
    }

    #[test]
    fn an_idle_connection_is_away_and_its_opening_counts_once_it_has_a_transaction() {
        let (mut time, mut conn) = (TimeSpent::default(), StateTimer::default());
        time.begin_round(at(0));
        time.served(&mut conn, ConnectionState::Opening);
        time.end_round(at(10));
        assert!(time.has_active());
        assert_eq!(taken(&mut time, at(1_000_000)).waited_us(), 0);
        assert!(!time.has_active());
        // The client took 5 ms for EHLO, and a minute for MAIL.
        conn.answered(5000);
        conn.answered(60_000_000);
        time.begin_round(at(60_005_000));
        time.record_first_transaction(&mut conn);
        time.served(&mut conn, ConnectionState::Between);
        time.end_round(at(60_005_000));
        assert!(time.has_active());
        let sums = taken(&mut time, at(70_000_000));
        assert!(!time.has_active());
        let idle_us = sums.us(ConnectionState::Between) - 5000 - IDLE_US;
        assert!((TICK_US..=IDLE_US).contains(&idle_us), "{idle_us}");
        // Leaves `Away` after a long time.
        time.begin_round(at(80_000_000));
        time.move_to(&mut conn, ConnectionState::Command);
        time.end_round(at(80_000_000));
        assert_eq!(taken(&mut time, at(80_000_007)).us(ConnectionState::Command), 7);
        time.begin_round(at(80_000_007));
        time.move_to(&mut conn, ConnectionState::Away);
        assert!(!time.has_active());
    }

    /// A round: sleep, work, whether the sums are taken, and its turns: connection, new state,
    /// whether something is sent.
    type Round = (u64, u64, bool, Vec<(usize, usize, bool)>);

    fn rounds() -> impl Strategy<Value = Vec<Round>> {
        let turn = (0..4usize, 0..STATES, any::<bool>());
        let us = || prop_oneof![0..500u64, 0..400_000u64];
        let turns = prop::collection::vec(turn, 0..5);
        prop::collection::vec((us(), us(), any::<bool>(), turns), 1..60)
    }

    proptest! {
        /// The model keeps, for each connection, when it entered its state, and adds up time when
        /// it leaves the state. Idle connections leave theirs at the tick.
        #[test]
        fn sums_equal_those_of_a_model_that_follows_each_connection(rounds in rounds()) {
            let mut time = TimeSpent::default();
            let mut conns = [StateTimer::default(); 4];
            // State, time of entering, tick, and whether the connection counts as away.
            let mut model = [(ConnectionState::Away, 0u64, 0u64, false); 4];
            let mut expected = [0u64; STATES];
            let (mut now, mut taken, mut found) = (0, 0, [0u64; STATES]);
            let mut take = |time: &mut TimeSpent, now| {
                found.iter_mut().zip(time.take(at(now)).0).for_each(|(found, sum)| *found += sum);
            };
            for (sleep_us, work_us, is_taken, turns) in rounds {
                let (ended, wakes) = (now, now + sleep_us);
                now = wakes + work_us;
                for (state, since, tick, is_idle) in &mut model {
                    let away_us = (*tick + 2) * TICK_US;
                    if idle_index(*state).is_some() && !*is_idle && away_us <= wakes {
                        // Sums that were taken don't change.
                        expected[*state as usize] += away_us.max(taken.max(ended)) - *since;
                        *is_idle = true;
                    }
                }
                time.begin_round(at(wakes));
                let mut served = [false; 4];
                for (who, to, is_served) in turns {
                    let to = ALL[to];
                    let (state, since, tick, is_idle) = &mut model[who];
                    if !served[who] && (is_served || *state != to) {
                        let spent_us = if *is_idle { 0 } else { wakes - *since };
                        expected[*state as usize] += spent_us;
                        (*since, *tick, *is_idle) = (wakes, wakes / TICK_US, false);
                    }
                    if is_served && !served[who] {
                        expected[ConnectionState::Loop as usize] += work_us;
                        served[who] = true;
                    }
                    if served[who] {
                        (*since, *tick) = (now, wakes / TICK_US);
                    }
                    *state = to;
                    let conn = &mut conns[who];
                    if is_served { time.served(conn, to) } else { time.move_to(conn, to) }
                }
                time.end_round(at(now));
                if is_taken {
                    take(&mut time, now);
                    taken = now;
                }
            }
            take(&mut time, now);
            for (state, since, _, is_idle) in model {
                expected[state as usize] += if is_idle { 0 } else { now - since };
            }
            prop_assert_eq!(&found[1..], &expected[1..]);
        }
    }
}
