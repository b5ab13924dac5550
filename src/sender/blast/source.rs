//! The source of one thread's messages.
use std::sync::Arc;

use bytes::Bytes;

use crate::time::{MonotonicNs, UnixNs};

use super::bank::{Bodies, Chosen};
use super::head::{digits, write_sent};
use super::pace::Schedule;
use super::plan::{BlastPlan, Prepared};
use super::random::{Purpose, Random};
use super::render::Values;
use crate::sender::source::{DueMessage, Outcome, Pulled, SessionEnd, Source, SourceError};
use crate::smtp::client::OutgoingMail;

/// The content that all threads share, with references that only this thread counts: threads that
/// counted the same ones would slow each other.
enum SharedBlast {
    Generated(Bodies),
    Template(Bytes),
}

/// A source of the messages of a plan; each message goes to the thread that asks first.
pub struct Blast {
    plan: Arc<BlastPlan>,
    shared: SharedBlast,
    schedule: Option<Schedule>,
    /// Buffer for generated addresses.
    room: Vec<u8>,
}

impl Blast {
    /// Makes the source of one thread. Messages go out in the order of requests, so when sending
    /// ends, the sent numbers have no gaps except those that [`BlastPlan::missing`] reports.
    pub fn new(plan: &Arc<BlastPlan>) -> Blast {
        let plan = plan.clone();
        let shared = match &plan.prepared {
            Prepared::Generated { bank, .. } => SharedBlast::Generated(bank.bodies()),
            Prepared::Template(rendering) => SharedBlast::Template(rendering.tail()),
        };
        let schedule = plan.pace.as_ref().map(|pace| Schedule::new(pace, plan.seed));
        Blast { plan, shared, schedule, room: Vec::new() }
    }

    /// Fills the empty `mail` with any message; the content does not depend on other messages.
    ///
    /// Built-in content costs about 100 ns, and no allocation once `mail` has capacity.
    pub fn fill(&mut self, number: u64, mail: &mut OutgoingMail) {
        let Blast { plan, shared, room, .. } = self;
        let mut all = plan.recipients.of_message(plan.seed, number);
        let first = all.next().expect("a message has a recipient");
        let address = plan.recipients.address(first, room);
        let mut is_ascii = plan.from.is_ascii() && address.is_ascii();
        mail.to(address, b"");
        content(plan, shared, Subject { number, first, address }, mail);
        for at in all {
            let address = plan.recipients.address(at, room);
            is_ascii &= address.is_ascii();
            mail.to(address, b"");
        }
        // Templates and lists contain no bare CR or LF, and neither does built-in content.
        mail.made_here = true;
        mail.from(plan.from.as_bytes(), if is_ascii { b"" } else { b"SMTPUTF8" });
    }
}

/// A message: its number and its first recipient.
struct Subject<'a> {
    number: u64,
    /// The position of the first recipient, and its address.
    first: u64,
    address: &'a [u8],
}

fn content(plan: &BlastPlan, shared: &SharedBlast, subject: Subject<'_>, mail: &mut OutgoingMail) {
    let Subject { number, first, address } = subject;
    let digits = digits(number);
    let random = |purpose| Random::new(plan.seed, number, purpose);
    match (&plan.prepared, shared) {
        (Prepared::Generated { bank, sizes }, SharedBlast::Generated(bodies)) => {
            let text = random(Purpose::Body).below(bank.texts());
            let size = sizes.draw(&mut random(Purpose::Size));
            bank.fill(bodies, Chosen { text, size, number: &digits, address }, mail);
        }
        (Prepared::Template(rendering), SharedBlast::Template(tail)) => {
            let list = plan.recipients.list();
            let cell = |column| list.map_or("", |list| list.cell(first, column));
            let values = Values {
                digits: &digits,
                recipient: address,
                cell: &cell,
                random: random(Purpose::Placeholder),
            };
            rendering.fill(tail, values, mail);
        }
        _ => unreachable!("both were made of the same plan"),
    }
}

impl Source for Blast {
    fn next(&mut self, mail: &mut OutgoingMail) -> Result<Pulled, SourceError> {
        let Some(number) = self.plan.take() else { return Ok(Pulled::End) };
        let due_ns = match &mut self.schedule {
            None => None,
            Some(schedule) => match schedule.due_ns(number) {
                None => return Ok(Pulled::End),
                due => due,
            },
        };
        self.fill(number, mail);
        Ok(Pulled::Mail(DueMessage { ticket: number, due_ns, lane: None }))
    }

    fn refill(&mut self, ticket: u64, mail: &mut OutgoingMail) -> bool {
        self.fill(ticket, mail);
        true
    }

    fn begin(&mut self, unix_ns: UnixNs, mail: &mut OutgoingMail) {
        write_sent(unix_ns, &mut mail.head);
    }

    fn overdue(&mut self, ended_ns: MonotonicNs) -> Option<MonotonicNs> {
        let number = self.plan.next()?;
        let due_ns = self.schedule.as_mut()?.due_ns(number).filter(|due_ns| *due_ns < ended_ns)?;
        self.plan.take();
        self.plan.record_miss(number, SessionEnd::NotSent);
        Some(due_ns)
    }

    fn requested(&self) -> Option<u64> {
        self.plan.requested()
    }

    /// Records messages without an answer; other outcomes change nothing here.
    fn done(&mut self, ticket: u64, outcome: &Outcome<'_>) {
        if outcome.end != SessionEnd::Answered {
            self.plan.record_miss(ticket, outcome.end);
        }
    }
}
