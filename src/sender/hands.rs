//! What happens in sessions, recorded and passed on.
use super::clock::Clock;
use super::source::{End, Next, Order, Outcome, Source};
use super::tally::{Tally, What};
use crate::smtp::client::{Done, Mail, Phase, Watch};
use crate::stats::{Counter, Metric, Recorder};

/// Reply codes that are counted: 200 to 599.
pub(super) const CODES: std::ops::Range<u16> = 200..600;
/// Mails kept to be used again.
const SPARE_MAX: usize = 1024;

/// Names of the sorts of replies, in the order in which they are counted.
pub(super) fn reply_names() -> Vec<String> {
    CODES.map(|code| code.to_string()).collect()
}

/// Everything that is not a connection: where messages come from, and where it is written down what
/// becomes of them.
pub(super) struct Hands {
    pub source: Box<dyn Source>,
    pub recorder: Recorder,
    pub tally: Tally,
    pub clock: Clock,
    /// Room that connections write from, as long as one alone has something to write: it stays in
    /// the processor's cache, and those that wait for replies hold none.
    pub room: Vec<u8>,
    /// When what is happening happens.
    pub now_ns: u64,
    /// When the round of the event loop began.
    began_ns: u64,
    /// The source had nothing until another message is done.
    pub is_waiting: bool,
    /// Boxed, as sessions pass them on.
    #[expect(clippy::vec_box, reason = "they come and go as boxes")]
    spare: Vec<Box<Mail>>,
    replies: Box<[u32]>,
}

impl Hands {
    pub fn new(source: Box<dyn Source>, recorder: Recorder, clock: Clock) -> Hands {
        Hands {
            source,
            recorder,
            tally: Tally::default(),
            clock,
            room: Vec::new(),
            now_ns: 0,
            began_ns: 0,
            is_waiting: false,
            spare: Vec::new(),
            replies: vec![0; CODES.len()].into_boxed_slice(),
        }
    }

    pub fn now_us(&self) -> u64 {
        self.now_ns / 1000
    }

    /// Reads the clock.
    pub fn tick(&mut self) {
        self.now_ns = self.clock.now_ns();
    }

    /// Begins a round of the event loop.
    pub fn begin_round(&mut self) {
        self.tick();
        self.began_ns = self.now_ns;
        let unix_ns = self.clock.unix_ns(self.now_ns);
        if self.recorder.is_over(unix_ns) {
            self.recorder.take_replies(&mut self.replies);
        }
        self.recorder.begin_round(unix_ns);
    }

    /// The round is over.
    pub fn end_round(&mut self) {
        self.tick();
        let busy_us = self.now_ns.saturating_sub(self.began_ns) / 1000;
        self.recorder.add(Counter::BusyUs, busy_us);
        self.recorder.add(Counter::Rounds, 1);
        self.recorder.record(Metric::Round, busy_us);
    }

    /// The next message of the source, if there is one now.
    pub fn pull(&mut self) -> Result<(Next, Box<Mail>), super::source::Error> {
        let mut mail = self.spare.pop().unwrap_or_default();
        let next = self.source.next(&mut mail)?;
        Ok((next, mail))
    }

    /// Keeps a mail to be used again.
    pub fn keep(&mut self, mut mail: Box<Mail>) {
        if self.spare.len() < SPARE_MAX {
            mail.clear();
            self.spare.push(mail);
        }
    }

    /// A message is given to a session.
    pub fn begun(&mut self, order: &Order) {
        self.tally.begun += 1;
        if let Some(due_ns) = order.due_ns {
            self.recorder.record(Metric::Late, self.now_ns.saturating_sub(due_ns) / 1000);
        }
    }

    /// What a message of so many octets has come to.
    pub fn end(&mut self, order: Order, octets: u64, outcome: &Outcome<'_>) {
        self.tally.done(outcome, octets);
        self.source.done(order.ticket, outcome);
        self.is_waiting = false;
    }

    /// A message is given back that was not begun: nobody counts it.
    pub fn give_back(&mut self, order: &Order, mail: Box<Mail>) {
        let codes = vec![0; mail.recipients().len()];
        let outcome = Outcome { end: End::NotSent, codes: &codes, at_ns: self.now_ns };
        self.source.done(order.ticket, &outcome);
        self.keep(mail);
    }

    /// Nothing more will be recorded: gives what there was.
    pub fn close(mut self) -> Tally {
        self.recorder.take_replies(&mut self.replies);
        self.recorder.close();
        self.tally
    }
}

impl Watch<Order> for Hands {
    fn replied(&mut self, phase: Phase, code: u16, text: &[u8], us: u64) {
        self.replies[usize::from(code - CODES.start)] += 1;
        if let Some(metric) = metric_of(phase) {
            self.recorder.record(metric, us);
        }
        if code >= 400 {
            self.tally.fail(What::Reply(phase, code), text);
        }
    }

    fn spent(&mut self, mail: Box<Mail>) {
        self.keep(mail);
    }

    fn done(&mut self, done: Done<'_, Order>) {
        let Done { cookie: order, octets, codes, end, begun_us } = done;
        let outcome = Outcome { end, codes, at_ns: self.now_ns };
        let accepted = outcome.accepted();
        if accepted > 0 {
            self.recorder.message(octets, accepted as u64);
            let since_us = order.due_ns.map_or(begun_us, |due_ns| due_ns / 1000);
            self.recorder.record(Metric::Transaction, self.now_us().saturating_sub(since_us));
            self.recorder.record(Metric::Sent, self.now_us().saturating_sub(begun_us));
        }
        self.end(order, octets, &outcome);
    }
}

fn metric_of(phase: Phase) -> Option<Metric> {
    match phase {
        Phase::Greeting => Some(Metric::ReplyGreeting),
        Phase::Hello => Some(Metric::ReplyHello),
        Phase::Mail => Some(Metric::ReplyMail),
        Phase::Rcpt => Some(Metric::ReplyRcpt),
        Phase::Data => Some(Metric::ReplyData),
        Phase::Payload => Some(Metric::ReplyPayload),
        Phase::Reset | Phase::Quit => None,
    }
}
