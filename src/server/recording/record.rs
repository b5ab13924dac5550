//! What the event loop tells the statistics: whose time went where.
//!
//! Clocks are read twice a round, on waking and at its end, so the resolution is the round. Service
//! time runs from waking to the end of the round in which the reply left: it contains the queueing
//! the client felt. Think time runs from that end to the waking that brought the next octet. A
//! transaction ends where the round ends in which its final reply left, so it is never shorter than
//! the service time that it contains.
use std::sync::Arc;

use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::reply;
use crate::smtp::tally::{CommandTally, Verb};
use crate::stats::{Counter, Metric, Recorder, SessionSecond};
use crate::tls::{Agreed, Failure, TLS_1_2, TLS_1_3};

use super::spends::spends;
use super::transaction_times::TransactionTimes;
use crate::server::connection::{Conn, Flow, Replied, TurnEnd, Waits};
use crate::server::payload::{Framing, Orphan, Transfer};
use crate::server::sys::TcpInfo;
use crate::server::time_spent::{Lateness, Presence, Spends, TimeSpent};

/// Number of rounds whose ends are known exactly; a client that thinks for longer is measured from
/// when it was last heard, to a millisecond.
const ROUNDS_KNOWN: usize = 1024;

/// A worker's statistics; without a recorder nothing is kept.
pub(crate) struct Recording {
    recorder: Option<Recorder>,
    /// End of each of the last rounds, us of the worker's clock.
    ends: Box<[u64; ROUNDS_KNOWN]>,
    round: u32,
    woke_us: u64,
    /// A second began while the loop was at work.
    is_new_second: bool,
    /// Answered in this round.
    commands: u64,
    messages: u64,
    time: TimeSpent,
    /// Shared by all workers.
    presence: Arc<Presence>,
    /// A connection of this worker counts in `presence`.
    is_present: bool,
    lateness: Lateness,
    transactions: TransactionTimes,
    /// How long the client whose turn it is has thought, or [`NOT_KNOWN`].
    think_us: u64,
    /// The turn has read octets since commands were last counted.
    has_read: bool,
}

const NOT_KNOWN: u64 = u64::MAX;
/// A client's pauses between octets are recorded from this length on: what is shorter has many
/// causes, and would cost a histogram's update with each read.
const PAUSE_MIN_MS: u64 = 20;
/// A wake ends at most this number of seconds, one by one. More is a machine that was suspended.
const SECONDS_MAX: u32 = 3600;

/// Asks the kernel for the round trips of a connection.
fn round_trips(recorder: &mut Recorder, conn: &Conn) -> Option<TcpInfo> {
    let info = conn.socket.tcp_info()?;
    recorder.record(Metric::Rtt, info.rtt_us);
    recorder.record(Metric::RttMin, info.rtt_min_us);
    Some(info)
}

/// What the session of `conn` did in the second under way. `None`: too many do anything.
#[inline]
fn session<'a>(recorder: &'a mut Recorder, conn: &mut Conn) -> Option<&'a mut SessionSecond> {
    let (at, id) = (conn.recorded_at, conn.session_id);
    if recorder.find_session(at, id).is_none() {
        let key = conn.key();
        return recorder.add_session(&mut conn.recorded_at, key);
    }
    recorder.find_session(at, id)
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

/// Open sessions show their round trips before their end: with which messages. Early, for a
/// short run over a long way; then again and again, for a run that begins long after the session,
/// at 0.3 us for 64 messages.
fn is_looked_at(message: u32) -> bool {
    matches!(message, 4 | 16) || message.is_multiple_of(64)
}

/// What the next octets of a client are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedOctets {
    /// Its answer to what we said.
    Command,
    /// The first of a payload, its answer to 354.
    Payload,
    /// More of a chunk: they were due whatever we said.
    Rest,
}

impl ExpectedOctets {
    pub fn of(flow: &Flow) -> ExpectedOctets {
        match flow {
            Flow::Payload(transfer) if matches!(transfer.framing, Framing::Data(_)) => {
                ExpectedOctets::Payload
            }
            Flow::Payload(_) | Flow::Discard { .. } => ExpectedOctets::Rest,
            _ => ExpectedOctets::Command,
        }
    }
}

fn counter_of(kind: Deviation) -> Counter {
    Counter::TOLERATED[kind as usize - 1]
}

impl Recording {
    pub fn new(recorder: Option<Recorder>, presence: Arc<Presence>) -> Recording {
        Recording {
            recorder,
            ends: Box::new([0; ROUNDS_KNOWN]),
            round: 1,
            woke_us: 0,
            is_new_second: false,
            commands: 0,
            messages: 0,
            time: TimeSpent::default(),
            presence,
            is_present: false,
            lateness: Lateness::default(),
            transactions: TransactionTimes::default(),
            think_us: NOT_KNOWN,
            has_read: false,
        }
    }

    /// From now on the thread that calls is asked how long it waited for a processor.
    pub fn watch_run_queue(&mut self) {
        self.lateness.watch_run_queue();
    }

    /// The loop goes to sleep, for `wait_ms` at most.
    #[inline]
    pub fn sleeps(&mut self, wait_ms: Option<u64>) {
        self.lateness.sleeps(self.woke_us, wait_ms);
    }

    /// Whether a connection of this worker waits for anything, or is waited for.
    pub fn is_anybody_waiting(&self) -> bool {
        self.is_present
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
            return self.presence.comes(woke_us);
        }
        let active_us = self.presence.goes(now_us);
        if let Some(recorder) = &mut self.recorder {
            recorder.add(Counter::ActiveUs, active_us);
        }
    }

    /// Connections that wait to be accepted.
    pub fn accept_queue(&mut self, length: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.accept_queue(length);
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

    /// The turn of another connection begins.
    pub fn begin_turn(&mut self) {
        (self.think_us, self.has_read) = (NOT_KNOWN, false);
    }

    /// Octets have come from a client.
    pub fn heard(&mut self, conn: &mut Conn, expected: ExpectedOctets) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        self.has_read = true;
        if !conn.replied.answer() {
            // It had answered already, so it did not wait for us; nor did we make it wait.
            let pause_ms = (self.woke_us / 1000).saturating_sub(conn.heard_ms);
            if pause_ms >= PAUSE_MIN_MS && conn.waits == Waits::Octets {
                recorder.record(Metric::Pause, pause_ms * 1000);
            }
            return;
        }
        let age = conn.replied.age(self.round);
        if age == 0 {
            // It didn't wait for that reply: what comes now was there before. No round trip.
            return self.answered(conn, expected, 0);
        }
        let is_known = age < ROUNDS_KNOWN as u32;
        let end_us = self.ends[self.round.wrapping_sub(age) as usize % ROUNDS_KNOWN];
        let since_us = if is_known { end_us } else { conn.heard_ms * 1000 };
        if expected == ExpectedOctets::Rest {
            // Until then it waited for us.
            if let Some(transfer) = conn.transfer_mut() {
                transfer.first_us = transfer.first_us.max(since_us);
            }
            return;
        }
        let think_us = self.woke_us.saturating_sub(since_us);
        recorder.add(Counter::Exchanges, 1);
        conn.spending.answered(think_us);
        self.answered(conn, expected, think_us);
    }

    fn answered(&mut self, conn: &mut Conn, expected: ExpectedOctets, think_us: u64) {
        let Some(recorder) = &mut self.recorder else { return };
        match (expected, conn.transfer_mut()) {
            (ExpectedOctets::Rest, _) => {}
            (ExpectedOctets::Payload, transfer) => {
                recorder.record(Metric::ThinkPayload, think_us);
                if let Some(transfer) = transfer {
                    transfer.first_us = self.woke_us;
                }
            }
            (ExpectedOctets::Command, transfer) => {
                self.think_us = think_us;
                if let Some(transfer) = transfer {
                    // Between two chunks: no octet of it was on its way meanwhile.
                    transfer.first_us += think_us;
                }
            }
        }
    }

    /// Commands were consumed.
    pub fn consumed(&mut self, conn: &Conn, tally: &mut CommandTally) {
        if tally.commands == 0 {
            return;
        }
        let Some(recorder) = &mut self.recorder else { return };
        let commands = u64::from(tally.commands);
        tally.commands = 0;
        if !conn.is_session {
            tally.first = None;
            return;
        }
        self.commands += commands;
        if self.has_read {
            self.has_read = false;
            recorder.commands(commands);
        }
        let (think_us, verb) = (self.think_us, tally.first);
        (self.think_us, tally.first) = (NOT_KNOWN, None);
        let Some(verb) = verb.filter(|_| think_us != NOT_KNOWN) else { return };
        // What follows a final reply is the next message, however it begins.
        let is_next = conn.session.messages() > 0;
        let metric = match verb {
            Verb::Hello => Metric::ThinkEhlo,
            Verb::Mail if is_next => Metric::ThinkNext,
            Verb::Mail => Metric::ThinkMail,
            Verb::Rcpt => Metric::ThinkRcpt,
            Verb::Data => Metric::ThinkData,
            Verb::Quit => Metric::ThinkClose,
            Verb::Other => return,
        };
        recorder.record(metric, think_us);
    }

    /// A command was accepted although it broke these rules.
    #[cold]
    pub fn tolerated(&mut self, kinds: Deviations) {
        let Some(recorder) = &mut self.recorder else { return };
        for kind in kinds.kinds() {
            recorder.add(counter_of(kind), 1);
        }
    }

    /// The replies of the turn have left.
    pub fn replied(&mut self, conn: &mut Conn) {
        conn.replied = Replied::in_round(self.round);
        self.transactions.end_turn(self.woke_us);
    }

    /// The client did not take all replies of the turn; `waiting` keeps which transactions end
    /// when it has.
    #[cold]
    pub fn not_replied(&mut self, waiting: &mut Vec<u64>) {
        self.transactions.keep(waiting);
    }

    /// The replies for which the transactions of `waiting` waited have left, or their client has
    /// gone.
    #[cold]
    pub fn replied_late(&mut self, mut waiting: Vec<u64>) {
        self.transactions.end_kept(&mut waiting);
    }

    /// The turn of `conn` ended with `turn`.
    pub fn end_turn(&mut self, conn: &mut Conn, turn: TurnEnd) {
        if self.recorder.is_none() {
            return;
        }
        self.transactions.end_turn(self.woke_us);
        let to = spends(conn, turn);
        self.lateness.turn();
        if !matches!(to, Spends::Away | Spends::Opening) {
            self.time.begun(&mut conn.spending);
        }
        match conn.replied.is_of(self.round) {
            true => self.time.served(&mut conn.spending, to),
            false => self.time.moves(&mut conn.spending, to),
        }
    }

    /// The client has closed without QUIT.
    pub fn hung_up(&mut self, conn: &mut Conn) {
        self.heard(conn, ExpectedOctets::Command);
        let think_us = std::mem::replace(&mut self.think_us, NOT_KNOWN);
        if let Some(recorder) = &mut self.recorder
            && matches!(conn.flow, Flow::Commands { .. })
            && think_us != NOT_KNOWN
        {
            recorder.record(Metric::ThinkClose, think_us);
        }
    }

    /// A message was accepted.
    pub fn message(&mut self, conn: &mut Conn, transfer: &Transfer) {
        let Some(recorder) = &mut self.recorder else { return };
        let recipients = conn.session.recipients();
        self.messages += 1;
        let bytes = transfer.message_bytes();
        let listener = conn.session.listener_index();
        let session = match transfer.pending_received_ns {
            None => {
                recorder.message(bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener(listener) {
                    listener.message(bytes);
                }
                session(recorder, conn)
            }
            Some(unix_ns) => {
                recorder.message_at(unix_ns, bytes, u64::from(recipients));
                if let Some(listener) = recorder.listener_at(unix_ns, listener) {
                    listener.message(bytes);
                }
                match recorder.is_over(unix_ns) {
                    true => recorder.add_session_at(unix_ns, conn.key()),
                    false => session(recorder, conn),
                }
            }
        };
        if let Some(session) = session {
            session.message(recipients);
        }
        self.transactions.accepted(conn.began_us);
        // The wait for a flush is ours.
        let last_us = transfer.pending_since_us.unwrap_or(self.woke_us);
        // Unanswered: the read under way brought all of it, and `heard` follows after this.
        let is_at_once = transfer.came_at_once && conn.replied.is_unanswered();
        let transfer_us = if is_at_once { 0 } else { last_us.saturating_sub(transfer.first_us) };
        recorder.transfer(transfer_us, transfer.wire_bytes);
        if let Some(since) = transfer.pending_since_us {
            let wait_us = self.woke_us.saturating_sub(since);
            recorder.record(Metric::CommitWait, wait_us);
        }
        if is_looked_at(conn.session.messages() + 1) {
            round_trips(recorder, conn);
        }
    }

    /// A message was committed, but its client was gone.
    pub fn accepted_unheard(&mut self, orphan: &Orphan) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.message_at(orphan.received_ns, orphan.bytes, u64::from(orphan.recipients));
        if let Some(listener) = recorder.listener_at(orphan.received_ns, orphan.listener) {
            listener.message(orphan.bytes);
        }
        if let Some(session) = recorder.add_session_at(orphan.received_ns, orphan.session) {
            session.is_over();
            session.message(orphan.recipients);
        }
        recorder.add(Counter::ClosedMessages, 1);
    }

    /// A message was refused at the end of its data.
    #[cold]
    pub fn refused(&mut self, conn: &mut Conn) {
        let Some(recorder) = &mut self.recorder else { return };
        self.messages += 1;
        recorder.add(Counter::Refused, 1);
        if let Some(session) = session(recorder, conn) {
            session.refused += 1;
        }
    }

    /// A transfer is parked: the log has no room for it yet.
    pub fn parked(&mut self, conn: &mut Conn) {
        // What it waits with is there: the client has answered.
        self.heard(conn, ExpectedOctets::of(&conn.flow));
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::StorageWaits, 1);
        if let Some(transfer) = conn.transfer_mut() {
            transfer.parked_since_us = Some(self.woke_us);
        }
    }

    /// A parked transfer continues.
    pub fn unparked(&mut self, conn: &mut Conn) {
        // Without a recorder none has a beginning.
        let Some(transfer) = conn.transfer_mut() else { return };
        let Some(since) = transfer.parked_since_us.take() else { return };
        let wait_us = self.woke_us.saturating_sub(since);
        // Meanwhile nothing was on its way.
        transfer.first_us += wait_us;
    }

    /// A PROXY header was read, and the connection was admitted.
    #[cold]
    pub fn identified(&mut self, conn: &Conn) {
        let Some(recorder) = &mut self.recorder else { return };
        let counter = if conn.is_session { Counter::Proxied } else { Counter::HealthChecks };
        recorder.add(counter, 1);
    }

    /// The handshake of a connection is done; it took `us`.
    #[cold]
    pub fn secured(&mut self, us: u64, agreed: &Agreed) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.record(Metric::Handshake, us);
        recorder.add(Counter::TlsHandshakes, 1);
        recorder.add(Counter::TlsResumed, u64::from(agreed.is_resumed));
        recorder.add(Counter::Tls12, u64::from(agreed.version == TLS_1_2));
        recorder.add(Counter::Tls13, u64::from(agreed.version == TLS_1_3));
    }

    /// TLS of a connection has failed, before or after the end of its handshake.
    #[cold]
    pub fn tls_failed(&mut self, failure: Failure) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::TLS_FAILED[failure as usize], 1);
    }

    /// Octets that came between STARTTLS and the handshake were thrown away.
    #[cold]
    pub fn discarded(&mut self, octets: usize) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| octets > 0) else { return };
        recorder.add(Counter::TlsDiscarded, 1);
    }

    /// A client that XCLIENT has named was greeted.
    #[cold]
    pub fn named(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Xclient, 1);
    }

    /// The session of `conn` has another client from now on; nothing has been submitted in it.
    #[cold]
    pub fn renamed(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        let key = conn.key();
        recorder.rename_session(&mut conn.recorded_at, key);
    }

    /// A client is not served, by the lists of the listener at this index.
    #[cold]
    pub fn denied(&mut self, listener: usize) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Denied, 1);
        if let Some(listener) = recorder.listener(listener) {
            listener.denied += 1;
        }
    }

    /// A connection to a proxied listener was closed without a word: no header came, or a bad one,
    /// or its network is not trusted.
    #[cold]
    pub fn proxy_refused(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::ProxyRefused, 1);
    }

    /// A connection has begun; if it is a session, it counts.
    pub fn opened(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        recorder.add(Counter::Connections, 1);
        if let Some(listener) = recorder.listener(conn.session.listener_index()) {
            listener.connections += 1;
        }
        conn.recorded_at = recorder.begin_session(conn.key()).unwrap_or(u32::MAX);
    }

    /// A connection was greeted with 421.
    #[cold]
    pub fn turned_away(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::TurnedAway, 1);
    }

    /// sinkd ends an open connection with 421, for another reason than what its client said.
    #[cold]
    pub fn dismissed(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.add(Counter::Dismissed, 1);
    }

    /// A connection has ended.
    pub fn closed(&mut self, conn: &mut Conn) {
        self.session_over(conn);
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        if let Some(info) = round_trips(recorder, conn) {
            recorder.add(Counter::Retransmits, info.retransmits);
            recorder.add(Counter::SegmentsIn, info.segments_in);
            recorder.add(Counter::OutOfOrder, info.out_of_order);
        }
    }

    /// A session has ended, and with it mostly its connection.
    pub fn session_over(&mut self, conn: &mut Conn) {
        let Some(recorder) = self.recorder.as_mut().filter(|_| conn.is_session) else { return };
        let us = recorder.round_us();
        if let Some(session) = session(recorder, conn) {
            session.end(us);
        }
        recorder.add(Counter::Closed, 1);
        recorder.add(Counter::ClosedMessages, u64::from(conn.session.messages()));
        recorder.record(Metric::SessionMessages, u64::from(conn.session.messages()));
        recorder.record(Metric::Session, self.woke_us.saturating_sub(conn.opened_us));
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

#[cfg(test)]
mod tests {
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

    #[test]
    fn every_kind_of_deviation_has_the_counter_of_its_name() {
        assert_eq!(Counter::TOLERATED.len(), Deviation::ALL.len());
        for kind in Deviation::ALL {
            assert_eq!(counter_of(kind).deviation().as_deref(), Some(kind.name()));
        }
    }
}
