//! The outcomes of messages: counted, recorded, and reported to the source.
use super::resends::Resends;
use super::round_time::RoundTime;
use super::supply::MessageSupply;
use super::tally::{FailureExample, FailureKind, SendingTally};
use crate::sender::clock::SendingClock;
use crate::sender::network::OutputBuffers;
use crate::sender::source::{DueMessage, Outcome, SessionEnd, Source};
use crate::smtp::client::{Done, OutgoingMail, Phase, ReplyCode, SessionWatch};
use crate::stats::{Counter, Metric, Recorder};
use crate::time::{MonotonicNs, MonotonicUs, UnixNs};
use crate::tls::{Failure, SessionKind, TLS_1_3};

/// Returns the names of the kinds of replies, in the order of the counters.
pub fn reply_names() -> Vec<String> {
    ReplyCode::all().map(|code| code.to_string()).collect()
}

/// The source of one thread, and the account of its messages.
pub struct SendLedger {
    pub supply: MessageSupply,
    pub recorder: Recorder,
    pub tally: SendingTally,
    pub buffers: OutputBuffers,
    time: RoundTime,
    /// Decides about messages that the target turned away.
    pub resends: Resends,
    /// When this thread stopped beginning messages; `None` while it begins them.
    pub ended_ns: Option<MonotonicNs>,
    /// The number of replies of each kind in this second, in the order of [`reply_names`].
    replies: Box<[u32]>,
}

impl SendLedger {
    pub fn new(source: Box<dyn Source>, recorder: Recorder, clock: SendingClock) -> SendLedger {
        SendLedger {
            supply: MessageSupply::new(source),
            recorder,
            tally: SendingTally::default(),
            buffers: OutputBuffers::default(),
            time: RoundTime::new(clock),
            resends: Resends::default(),
            ended_ns: None,
            replies: vec![0; ReplyCode::COUNT].into_boxed_slice(),
        }
    }

    /// Returns the time that was last read.
    #[inline]
    pub fn now_ns(&self) -> MonotonicNs {
        self.time.now_ns()
    }

    /// Returns the time that was last read.
    #[inline]
    pub fn now_us(&self) -> MonotonicUs {
        self.time.now_us()
    }

    /// Returns the time that was last read, as Unix time.
    pub fn unix_ns(&self) -> UnixNs {
        self.time.unix_ns()
    }

    /// Reads the clock.
    pub fn tick(&mut self) {
        self.time.tick();
    }

    /// Begins a round of the event loop.
    pub fn begin_round(&mut self) {
        self.time.begin_round();
        let unix_ns = self.unix_ns();
        if self.recorder.is_past_second(unix_ns) {
            self.recorder.take_replies(&mut self.replies);
        }
        self.recorder.begin_round(unix_ns);
    }

    /// Ends a round of the event loop.
    pub fn end_round(&mut self) {
        self.tick();
        let busy_us = self.time.round_us();
        self.recorder.add(Counter::BusyUs, busy_us);
        self.recorder.add(Counter::Rounds, 1);
        self.recorder.record(Metric::Round, busy_us);
    }

    /// Records that a handshake begun at `started_us` completed.
    pub fn secured(&mut self, started_us: MonotonicUs, version: &str, kind: SessionKind) {
        self.recorder.record(Metric::Handshake, self.now_us().us_since(started_us));
        self.recorder.add(Counter::TlsHandshakes, 1);
        let of_version = if version == TLS_1_3 { Counter::Tls13 } else { Counter::Tls12 };
        self.recorder.add(of_version, 1);
        if kind == SessionKind::Resumed {
            self.recorder.add(Counter::TlsResumed, 1);
        }
    }

    /// Counts a TLS failure, during or after the handshake.
    #[cold]
    pub fn tls_failed(&mut self, failure: Failure) {
        self.recorder.add(Counter::from(failure), 1);
    }

    /// Records that a message was passed to a session.
    pub fn record_start(&mut self, due: &DueMessage) {
        if self.resends.has(due.ticket) {
            return;
        }
        self.tally.started += 1;
        if let Some(due_ns) = due.due_ns {
            self.recorder.record(Metric::Late, self.now_ns().ns_since(due_ns) / 1000);
        }
    }

    /// Handles a message that was turned away, and returns whether it is sent on another
    /// connection. `end` would be its outcome otherwise.
    #[cold]
    fn send_again(&mut self, due: DueMessage, end: SessionEnd) -> bool {
        if !self.resends.allows(due.ticket) {
            return false;
        }
        let Some(mail) = self.supply.pull_again(due.ticket) else { return false };
        self.resends.add(due, mail, end);
        self.tally.resent += 1;
        true
    }

    /// Records the outcome of a message of `octets` octets.
    pub fn end(&mut self, due: DueMessage, octets: u64, outcome: &Outcome<'_>) {
        self.resends.remove(due.ticket);
        self.tally.done(outcome, octets);
        self.supply.source.done(due.ticket, outcome);
        self.supply.is_waiting = false;
    }

    /// Reports the outcome of a message that will not be sent, and that no session has.
    pub fn return_unsent(&mut self, due: &DueMessage, mail: Box<OutgoingMail>) {
        let codes = vec![None; mail.recipients().len()];
        let outcome = Outcome { end: SessionEnd::NotSent, codes: &codes, at_ns: self.now_ns() };
        if self.resends.has(due.ticket) {
            self.end(*due, mail.octets(), &outcome);
        } else {
            self.supply.source.done(due.ticket, &outcome);
            self.not_started(due.due_ns, self.now_ns());
        }
        self.supply.keep(mail);
    }

    /// Records a message that had not begun when sending ended at `ended_ns`. If it was due, its
    /// waiting time until then is a lower bound of the time it would have needed.
    fn not_started(&mut self, due_ns: Option<MonotonicNs>, ended_ns: MonotonicNs) {
        if let Some(due_ns) = due_ns.filter(|due_ns| *due_ns < ended_ns) {
            self.tally.not_started += 1;
            let waited_us = ended_ns.ns_since(due_ns) / 1000;
            self.recorder.record(Metric::Late, waited_us);
            self.recorder.record(Metric::Transaction, waited_us);
        }
    }

    /// Counts and records the messages that the source still had, after all threads have ended.
    /// `ended_ns` is when the last thread stopped beginning messages.
    pub fn count_overdue(&mut self, ended_ns: MonotonicNs) {
        self.begin_round();
        while let Some(due_ns) = self.supply.source.overdue(ended_ns) {
            self.not_started(Some(due_ns), ended_ns);
        }
    }

    /// Ends recording, and returns the tally.
    pub fn close(mut self) -> SendingTally {
        self.recorder.take_replies(&mut self.replies);
        self.recorder.close();
        self.tally
    }
}

impl SessionWatch<DueMessage> for SendLedger {
    fn replied(&mut self, phase: Phase, code: ReplyCode, text: &[u8], us: u64) {
        self.replies[code.index()] += 1;
        if let Some(metric) = metric_of(phase) {
            self.recorder.record(metric, us);
        }
        if code.is_refusal() {
            self.tally.fail(FailureKind::Reply(phase, code), || FailureExample::of_reply(text));
        }
    }

    fn release(&mut self, mail: Box<OutgoingMail>) {
        self.supply.keep(mail);
    }

    fn done(&mut self, done: Done<'_, DueMessage>) {
        let Done { cookie: due, octets, codes, end, started_us, .. } = done;
        self.tally.ambiguous += u64::from(done.is_ambiguous && matches!(end, SessionEnd::Answered));
        if done.is_turned_away && self.send_again(due, end) {
            return;
        }
        if let SessionEnd::Withheld(why) = end {
            self.tally.fail(FailureKind::Withheld(why), || FailureExample::Withheld(why));
        }
        let outcome = Outcome { end, codes, at_ns: self.now_ns() };
        let accepted = outcome.accepted();
        if accepted > 0 {
            self.recorder.message(octets, accepted as u64);
            let since_us = due.due_ns.map_or(started_us, MonotonicNs::us);
            self.recorder.record(Metric::Transaction, self.now_us().us_since(since_us));
            self.recorder.record(Metric::Sent, self.now_us().us_since(started_us));
        } else if end == SessionEnd::Answered {
            self.recorder.add(Counter::Refused, 1);
        } else if let (SessionEnd::NotSent | SessionEnd::Unknown, Some(due_ns)) = (end, due.due_ns)
        {
            // The message was never answered: its transaction took longer than this.
            let waited_us = self.now_ns().ns_since(due_ns) / 1000;
            self.recorder.record(Metric::Transaction, waited_us);
        }
        self.end(due, octets, &outcome);
    }
}

fn metric_of(phase: Phase) -> Option<Metric> {
    match phase {
        Phase::Greeting => Some(Metric::ReplyGreeting),
        Phase::Hello => Some(Metric::ReplyHello),
        Phase::Auth => Some(Metric::ReplyAuth),
        Phase::Mail => Some(Metric::ReplyMail),
        Phase::Rcpt => Some(Metric::ReplyRcpt),
        Phase::Data => Some(Metric::ReplyData),
        Phase::Payload => Some(Metric::ReplyPayload),
        Phase::StartTls | Phase::Reset | Phase::Quit => None,
    }
}
