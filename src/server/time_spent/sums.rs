//! Where the time of a worker's connections goes, summed up as it passes.
//!
//! Each connection is in one state at a time. A state's sum over a second is the area under the
//! number of connections in it: entering a state subtracts the time, leaving it adds the time, and
//! a second ends by one look at the numbers. So time is split at the borders of seconds, and a wait
//! that goes on is counted while it lasts. The resolution is the loop round.

/// What a connection spends its time with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spends {
    /// No side waits: it has been idle for longer than [`IDLE_US`], or it is
    /// closing.
    #[default]
    Away,
    /// It waits for the client's first transaction.
    Opening,
    /// Its client waits for our loop.
    Loop,
    /// Its client waits for room in the log.
    Storage,
    /// Its client waits for a commit.
    Commit,
    /// Its transaction waits for the client's next command, or for the first octet after 354.
    Command,
    /// Its client does not take the replies.
    Unread,
    /// It waits for the client's next transaction.
    Between,
    /// A payload is on its way, from another machine.
    Transfer,
    /// A payload is on its way, from this machine.
    LocalTransfer,
}

const STATES: usize = 10;
/// Ticks of this length tell how long a connection has been between transactions, us.
const TICK_US: u64 = 50_000;
/// A connection without a transaction is away after one to two ticks.
pub const IDLE_US: u64 = 2 * TICK_US;

/// A connection's part in the sums. In few octets: connections are counted by the ten thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spending {
    state: Spends,
    /// It has had a transaction.
    has_begun: bool,
    /// The round in which it was last served.
    round: u32,
    /// The tick in which it got between two transactions.
    tick: u32,
    /// The client's own time before its first MAIL, us.
    opening_us: u32,
}

impl Spending {
    /// The client answered after `think_us`. Before its first MAIL it may never send anything, so
    /// that is counted when it does.
    pub fn answered(&mut self, think_us: u64) {
        if !self.has_begun {
            let think_us = think_us.min(IDLE_US) as u32;
            self.opening_us = self.opening_us.saturating_add(think_us);
        }
    }
}

/// Sums over all connections, us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums([u64; STATES]);

impl Sums {
    /// Returns the time of one state.
    pub fn of(&self, state: Spends) -> u64 {
        self.0[state as usize]
    }

    /// Returns the time in which we wait for the client or its payload.
    pub fn waited_us(&self) -> u64 {
        use Spends::{Between, Command, LocalTransfer, Transfer, Unread};
        [Command, Unread, Between, Transfer, LocalTransfer].map(|state| self.of(state)).iter().sum()
    }
}

/// The sums of one worker. Times are us of the worker's clock, and never fall.
#[derive(Debug, Default)]
pub struct TimeSpent {
    /// Times left minus times entered, in modular arithmetic, since the sums were last taken.
    areas: [u64; STATES],
    counts: [u32; STATES],
    /// All of `counts`.
    waiting: u32,
    /// Connections that enter a state when the round ends: they are served until then.
    entering: [u32; STATES],
    /// Clients that are served in this round, and states that are not 0 in `entering`, a bit each.
    served: u32,
    entered: u32,
    /// Connections that are served in this round, and wait for the next command before and after.
    stayed: u32,
    round: u32,
    /// When the round began, or the last one ended; later if the sums were taken since.
    woke_us: u64,
    tick: u32,
    next_tick_us: u64,
    /// Of those without a transaction, in either state ([`idle_index`]): since this tick, and since
    /// the one before.
    recent: [[u32; 2]; 2],
}

impl TimeSpent {
    /// A loop round begins.
    #[inline]
    pub fn begin_round(&mut self, woke_us: u64) {
        self.round = self.round.wrapping_add(1).max(1);
        if woke_us >= self.next_tick_us {
            self.pass_ticks(woke_us);
        }
        self.woke_us = woke_us;
    }

    /// The connection of `conn` now spends its time with `to`; its client was not sent anything.
    #[inline]
    pub fn moves(&mut self, conn: &mut Spending, to: Spends) {
        if conn.round == self.round {
            return self.moves_on(conn, to);
        }
        if conn.state != to {
            self.leave_state(conn, self.woke_us);
            self.enter(to, 1, self.woke_us);
            if let Some(index) = idle_index(to) {
                conn.tick = self.tick;
                self.recent[index][0] += 1;
            }
            conn.state = to;
        }
    }

    /// We sent something to this client in this round, so it counts as waiting for us from the
    /// start of the round to its end. Then the connection spends its time with `to`.
    #[inline]
    pub fn served(&mut self, conn: &mut Spending, to: Spends) {
        if conn.round == self.round {
            return self.moves_on(conn, to);
        }
        self.served += 1;
        conn.round = self.round;
        if conn.state == to && to == Spends::Command {
            // Most rounds of most connections: it leaves the state, and enters it again.
            self.stayed += 1;
            return;
        }
        self.leave_state(conn, self.woke_us);
        self.enters_at_end(to);
        (conn.state, conn.tick) = (to, self.tick);
    }

    /// A connection that was served in this round ends it otherwise.
    fn moves_on(&mut self, conn: &mut Spending, to: Spends) {
        if conn.state == to {
            return;
        }
        if conn.state == Spends::Command && self.entering[Spends::Command as usize] == 0 {
            self.stayed -= 1;
            self.leave(Spends::Command, 1, self.woke_us);
        } else {
            self.entering[conn.state as usize] -= 1;
        }
        self.enters_at_end(to);
        (conn.state, conn.tick) = (to, self.tick);
    }

    #[inline]
    fn enters_at_end(&mut self, to: Spends) {
        self.entering[to as usize] += 1;
        self.entered |= 1 << to as u32;
    }

    /// The session of `conn` has had its first transaction.
    #[inline]
    pub fn begun(&mut self, conn: &mut Spending) {
        if !conn.has_begun {
            conn.has_begun = true;
            let opening_us = u64::from(std::mem::take(&mut conn.opening_us));
            self.add(Spends::Between, opening_us);
        }
    }

    /// The loop round ends.
    #[inline]
    pub fn end_round(&mut self, now_us: u64) {
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

    /// Clients that are served in this round have waited for us up to `now_us`.
    #[inline]
    fn serve_until(&mut self, now_us: u64) {
        let us = now_us.saturating_sub(self.woke_us);
        self.add(Spends::Loop, u64::from(self.served).wrapping_mul(us));
        self.add(Spends::Command, u64::from(self.stayed).wrapping_mul(us).wrapping_neg());
        self.woke_us = self.woke_us.max(now_us);
    }

    /// Returns whether any client waits.
    #[inline]
    pub fn is_anybody_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// The latest time that a call had.
    pub fn latest_us(&self) -> u64 {
        self.woke_us
    }

    /// The sums since they were last taken, up to `now_us`, which is not before
    /// [`latest_us`](TimeSpent::latest_us).
    pub fn take(&mut self, now_us: u64) -> Sums {
        debug_assert!(now_us >= self.woke_us, "time does not run back");
        self.serve_until(now_us);
        let mut sums = Sums::default();
        for state in 1..STATES {
            let open = u64::from(self.counts[state]).wrapping_mul(now_us);
            sums.0[state] = self.areas[state].wrapping_add(open);
            debug_assert!(sums.0[state] <= i64::MAX as u64, "no time is negative");
            self.areas[state] = open.wrapping_neg();
        }
        sums
    }

    /// Connections that have been between transactions for long are away.
    pub fn pass_ticks(&mut self, now_us: u64) {
        let now = (now_us / TICK_US) as u32;
        self.next_tick_us = (now_us / TICK_US + 1) * TICK_US;
        while self.tick != now {
            // After two of them nothing is left to be done.
            if now.wrapping_sub(self.tick) > 2 && self.recent == [[0; 2]; 2] {
                self.tick = now;
                return;
            }
            self.tick = self.tick.wrapping_add(1);
            // They came here when the last round ended, and what was taken is not changed.
            let at_us = (u64::from(self.tick) * TICK_US).clamp(self.woke_us, now_us);
            for state in [Spends::Between, Spends::Opening] {
                let Some(recent) = idle_index(state).map(|index| &mut self.recent[index]) else {
                    continue;
                };
                let [last, idle] = *recent;
                *recent = [0, last];
                self.leave(state, idle, at_us);
            }
        }
    }

    fn leave_state(&mut self, conn: &Spending, at_us: u64) {
        let mut state = conn.state;
        if let Some(index) = idle_index(state) {
            match self.tick.wrapping_sub(conn.tick) {
                age @ (0 | 1) => self.recent[index][age as usize] -= 1,
                _ => state = Spends::Away,
            }
        }
        self.leave(state, 1, at_us);
    }

    #[inline]
    fn enter(&mut self, state: Spends, count: u32, at_us: u64) {
        if state == Spends::Away {
            return;
        }
        self.counts[state as usize] += count;
        self.waiting += count;
        let area = &mut self.areas[state as usize];
        *area = area.wrapping_sub(u64::from(count).wrapping_mul(at_us));
    }

    #[inline]
    fn leave(&mut self, state: Spends, count: u32, at_us: u64) {
        if state == Spends::Away {
            return;
        }
        self.counts[state as usize] -= count;
        self.waiting -= count;
        self.add(state, u64::from(count).wrapping_mul(at_us));
    }

    #[inline]
    fn add(&mut self, state: Spends, us: u64) {
        let area = &mut self.areas[state as usize];
        *area = area.wrapping_add(us);
    }
}

/// The place in `recent` of a state in which a connection is away after a while.
#[inline]
fn idle_index(state: Spends) -> Option<usize> {
    match state {
        Spends::Between => Some(0),
        Spends::Opening => Some(1),
        _ => None,
    }
}

const ALL: [Spends; STATES] = [
    Spends::Away,
    Spends::Opening,
    Spends::Loop,
    Spends::Storage,
    Spends::Commit,
    Spends::Command,
    Spends::Unread,
    Spends::Between,
    Spends::Transfer,
    Spends::LocalTransfer,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Closes a second at `us`.
    fn taken(time: &mut TimeSpent, us: u64) -> Sums {
        time.pass_ticks(us);
        time.take(us)
    }

    #[test]
    fn a_wait_that_goes_on_is_split_where_a_second_ends() {
        let (mut time, mut conn) = (TimeSpent::default(), Spending::default());
        time.begin_round(1000);
        time.served(&mut conn, Spends::Command);
        time.end_round(1300);
        let first = taken(&mut time, 1_000_000);
        assert_eq!((first.of(Spends::Loop), first.of(Spends::Command)), (300, 998_700));
        time.begin_round(1_400_000);
        time.served(&mut conn, Spends::Commit);
        time.end_round(1_400_050);
        let second = taken(&mut time, 2_000_000);
        assert_eq!((second.of(Spends::Loop), second.of(Spends::Command)), (50, 400_000));
        assert_eq!((second.of(Spends::Commit), second.waited_us()), (599_950, 400_000));
    }

    #[test]
    fn a_connection_is_away_when_it_is_idle_and_counts_from_its_first_transaction_on() {
        let (mut time, mut conn) = (TimeSpent::default(), Spending::default());
        time.begin_round(0);
        time.served(&mut conn, Spends::Opening);
        time.end_round(10);
        assert!(time.is_anybody_waiting());
        assert_eq!(taken(&mut time, 1_000_000).waited_us(), 0);
        assert!(!time.is_anybody_waiting());
        // Its client took 5 ms for EHLO, and a minute for MAIL.
        conn.answered(5000);
        conn.answered(60_000_000);
        time.begin_round(60_005_000);
        time.begun(&mut conn);
        time.served(&mut conn, Spends::Between);
        time.end_round(60_005_000);
        assert!(time.is_anybody_waiting());
        let sums = taken(&mut time, 70_000_000);
        assert!(!time.is_anybody_waiting());
        let idle_us = sums.of(Spends::Between) - 5000 - IDLE_US;
        assert!((TICK_US..=IDLE_US).contains(&idle_us), "{idle_us}");
        // Away for a long time, it is left from there.
        time.begin_round(80_000_000);
        time.moves(&mut conn, Spends::Command);
        time.end_round(80_000_000);
        assert_eq!(taken(&mut time, 80_000_007).of(Spends::Command), 7);
        time.begin_round(80_000_007);
        time.moves(&mut conn, Spends::Away);
        assert!(!time.is_anybody_waiting());
    }

    /// A sleep, work, whether the sums are taken, and what each turn of a round does: who, to which
    /// state, whether it is sent something.
    type Round = (u64, u64, bool, Vec<(usize, usize, bool)>);

    fn rounds() -> impl Strategy<Value = Vec<Round>> {
        let turn = (0..4usize, 0..STATES, any::<bool>());
        let us = || prop_oneof![0..500u64, 0..400_000u64];
        let turns = prop::collection::vec(turn, 0..5);
        prop::collection::vec((us(), us(), any::<bool>(), turns), 1..60)
    }

    proptest! {
        /// The model keeps, for each connection, when it came into its state, and adds up what it
        /// leaves; idle connections leave theirs at the tick.
        #[test]
        fn sums_are_what_a_model_finds_that_looks_at_each_connection(rounds in rounds()) {
            let mut time = TimeSpent::default();
            let mut conns = [Spending::default(); 4];
            // State, since when, in which tick, and whether the connection has been idle for long.
            let mut model = [(Spends::Away, 0u64, 0u64, false); 4];
            let mut expected = [0u64; STATES];
            let (mut now, mut taken, mut found) = (0, 0, [0u64; STATES]);
            let mut take = |time: &mut TimeSpent, now| {
                found.iter_mut().zip(time.take(now).0).for_each(|(found, sum)| *found += sum);
            };
            for (sleep_us, work_us, is_taken, turns) in rounds {
                let (ended, woke) = (now, now + sleep_us);
                now = woke + work_us;
                for (state, since, tick, is_idle) in &mut model {
                    let away_us = (*tick + 2) * TICK_US;
                    if idle_index(*state).is_some() && !*is_idle && away_us <= woke {
                        // A second that was taken is not changed.
                        expected[*state as usize] += away_us.max(taken.max(ended)) - *since;
                        *is_idle = true;
                    }
                }
                time.begin_round(woke);
                let mut served = [false; 4];
                for (who, to, is_served) in turns {
                    let to = ALL[to];
                    let (state, since, tick, is_idle) = &mut model[who];
                    if !served[who] && (is_served || *state != to) {
                        let spent_us = if *is_idle { 0 } else { woke - *since };
                        expected[*state as usize] += spent_us;
                        (*since, *tick, *is_idle) = (woke, woke / TICK_US, false);
                    }
                    if is_served && !served[who] {
                        expected[Spends::Loop as usize] += work_us;
                        served[who] = true;
                    }
                    if served[who] {
                        (*since, *tick) = (now, woke / TICK_US);
                    }
                    *state = to;
                    match is_served {
                        true => time.served(&mut conns[who], to),
                        false => time.moves(&mut conns[who], to),
                    }
                }
                time.end_round(now);
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
