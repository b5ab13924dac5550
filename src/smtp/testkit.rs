//! A server without sockets, for tests, benchmarks and fuzzing: a session, the scanner and a log in
//! memory, driven by pieces of octets as a worker drives them.

use super::data::{END_BYTES, EndOfData};
use super::desk::Desk;
use super::deviation::Deviations;
use super::envelope::{self, Client};
use super::limits::{Limits, Policy, Protocol, Syntax};
use super::moment;
use super::session::{Receipt, Refusal, Session, Step};
use std::sync::Arc;

/// A message as the log would hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Encoded; see [`super::envelope::decode`].
    pub envelope: Vec<u8>,
    /// In wire form.
    pub payload: Vec<u8>,
    /// Stuffed dots in the payload.
    pub dots: u32,
}

impl Stored {
    /// The payload with its stuffing undone: the bytes of the message.
    pub fn message(&self) -> Vec<u8> {
        if self.dots == 0 {
            return self.payload.clone();
        }
        super::data::unstuff(&self.payload).into_owned()
    }
}

/// Everything a client and a reader of the log can see; equal for any cut of the same octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub replies: Vec<u8>,
    pub stored: Vec<Stored>,
    /// Rules that were broken, by each command that was accepted nevertheless.
    pub tolerated: Vec<Deviations>,
    pub closed: bool,
}

/// What a driver speaks, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    pub protocol: Protocol,
    pub syntax: Syntax,
}

impl Manner {
    /// Each protocol with each syntax.
    pub const ALL: [Manner; 4] = {
        use Protocol::{Lmtp, Smtp};
        use Syntax::{Lenient, Strict};
        [
            Manner { protocol: Smtp, syntax: Strict },
            Manner { protocol: Smtp, syntax: Lenient },
            Manner { protocol: Lmtp, syntax: Strict },
            Manner { protocol: Lmtp, syntax: Lenient },
        ]
    };
}

/// What the next octets are.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Commands,
    Data { scanner: EndOfData, dots: u32, bytes: u64 },
    Chunk { left: u64, last: bool },
    Discard { left: u64 },
    Closed,
}

/// Drives one session as a worker would.
#[derive(Debug)]
pub struct Driver {
    session: Session,
    desk: Desk,
    policy: Arc<Policy>,
    phase: Phase,
    /// Octets received and not yet consumed.
    buffer: Vec<u8>,
    /// Payload of the transaction under way.
    payload: Vec<u8>,
    replies: Vec<u8>,
    stored: Vec<Stored>,
    /// Rules that were broken, by each command that was accepted nevertheless.
    tolerated: Vec<Deviations>,
    /// Of moments that are named.
    outcome: moment::Outcome,
}

/// Names messages `1:0`, `1:1` and so on.
struct FakeReceipt(u32);

impl Receipt for FakeReceipt {
    fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("1:{}", self.0).as_bytes());
    }
}

impl Driver {
    /// A strict session from 192.0.2.7:2525 on a sink called `sink.example`, greeted.
    pub fn new(limits: Limits) -> Driver {
        Driver::with_envelope_budget(limits, 1 << 30)
    }

    /// The same over LMTP.
    pub fn lmtp(limits: Limits) -> Driver {
        Driver::of(Manner { protocol: Protocol::Lmtp, syntax: Syntax::Strict }, limits)
    }

    /// As `new`, in this manner.
    pub fn of(manner: Manner, limits: Limits) -> Driver {
        Driver::under(Driver::policy(manner, limits), 1 << 30, moment::Outcome::Taken)
    }

    /// As `new`, with a desk that lends so many octets.
    pub fn with_envelope_budget(limits: Limits, envelope_bytes_budget: usize) -> Driver {
        let policy = Driver::policy(Manner::ALL[0], limits);
        Driver::under(policy, envelope_bytes_budget, moment::Outcome::Taken)
    }

    /// As `new`, where NOOP may name moments, of which this becomes.
    pub fn with_moments(limits: Limits, outcome: moment::Outcome) -> Driver {
        let mut policy = Driver::policy(Manner::ALL[0], limits);
        policy.noop_marks = true;
        Driver::under(policy, 1 << 30, outcome)
    }

    fn policy(manner: Manner, limits: Limits) -> Policy {
        let Manner { protocol, syntax } = manner;
        let mut policy = Policy::of(protocol, "sink.example", "127.0.0.1:1025", limits);
        policy.syntax = syntax;
        policy
    }

    fn under(policy: Policy, envelope_bytes_budget: usize, outcome: moment::Outcome) -> Driver {
        let policy = Arc::new(policy);
        let client = Client::Tcp(([192, 0, 2, 7], 2525).into());
        let mut driver = Driver {
            session: Session::new(client, policy.clone()),
            desk: Desk::new(envelope_bytes_budget),
            policy,
            phase: Phase::Commands,
            buffer: Vec::new(),
            payload: Vec::new(),
            replies: Vec::new(),
            stored: Vec::new(),
            tolerated: Vec::new(),
            outcome,
        };
        driver.session.greet(&mut driver.desk);
        driver.send();
        driver
    }

    /// The client's next octets; after the close they fall on the floor.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
        while self.advance() {}
        self.send();
    }

    /// Replies since the last call.
    pub fn take_replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Messages stored since the last call.
    pub fn take_stored(&mut self) -> Vec<Stored> {
        std::mem::take(&mut self.stored)
    }

    /// What was tolerated since the last call, a set for each command.
    pub fn take_tolerated(&mut self) -> Vec<Deviations> {
        std::mem::take(&mut self.tolerated)
    }

    /// The server has closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// The client is gone. Checks that the desk has everything back.
    pub fn finish(mut self) -> Outcome {
        let closed = self.is_closed();
        self.session.abandon(&mut self.desk);
        assert_eq!(self.desk.envelope_bytes_lent(), 0, "every envelope buffer came back");
        let Driver { replies, stored, tolerated, .. } = self;
        Outcome { replies, stored, tolerated, closed }
    }

    /// One step; false when more octets are needed.
    fn advance(&mut self) -> bool {
        match self.phase {
            Phase::Commands => self.run_commands(),
            Phase::Data { scanner, dots, bytes } => self.receive_data(scanner, dots, bytes),
            Phase::Chunk { left, last } => {
                let taken = self.take(left);
                let octets: Vec<u8> = self.buffer.drain(..taken).collect();
                self.payload.extend_from_slice(&octets);
                let left = left - octets.len() as u64;
                self.phase = Phase::Chunk { left, last };
                if left == 0 {
                    self.chunk_is_here(last);
                }
                left == 0
            }
            Phase::Discard { left } => {
                let taken = self.take(left);
                self.buffer.drain(..taken);
                let left = left - taken as u64;
                self.phase = Phase::Discard { left };
                if left == 0 {
                    self.phase = Phase::Commands;
                    self.payload.clear();
                    self.session.chunk_received(&mut self.desk);
                }
                left == 0
            }
            Phase::Closed => {
                self.buffer.clear();
                false
            }
        }
    }

    /// Octets in the buffer that belong to a chunk of which `left` are missing.
    fn take(&self, left: u64) -> usize {
        usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()))
    }

    fn run_commands(&mut self) -> bool {
        let (consumed, step) = self.session.feed(&self.buffer, &mut self.desk);
        self.buffer.drain(..consumed);
        self.phase = match step {
            Step::NeedInput => {
                let line_bytes_max = self.policy.limits.command_line_bytes_max;
                assert!(self.buffer.len() < line_bytes_max, "NeedInput leaves less than a line");
                return false;
            }
            Step::Drain => {
                self.send();
                Phase::Commands
            }
            Step::Data => {
                self.payload.clear();
                Phase::Data { scanner: EndOfData::new(), dots: 0, bytes: 0 }
            }
            Step::Chunk { bytes, last, first } => {
                if first {
                    self.payload.clear();
                }
                Phase::Chunk { left: bytes, last }
            }
            Step::DiscardChunk { bytes } => Phase::Discard { left: bytes },
            Step::Moment => {
                let moment = self.desk.moment.take().expect("it was named");
                self.session.moment_answered(&moment, self.outcome, &mut self.desk);
                Phase::Commands
            }
            Step::Tolerated(kinds) => {
                self.tolerated.push(kinds);
                Phase::Commands
            }
            Step::Close => Phase::Closed,
        };
        if !self.session.in_transaction() {
            self.payload.clear();
        }
        true
    }

    fn receive_data(&mut self, mut scanner: EndOfData, mut dots: u32, before: u64) -> bool {
        let end = scanner.scan(&self.buffer, &mut dots);
        let taken = end.unwrap_or(self.buffer.len());
        let bytes = before + taken as u64;
        let message_bytes_max = self.policy.limits.message_bytes_max;
        // Beyond the limit octets are counted and thrown away: memory stays bounded.
        if bytes - u64::from(dots) <= message_bytes_max + END_BYTES as u64 + 2 {
            self.payload.extend_from_slice(&self.buffer[..taken]);
        }
        self.buffer.drain(..taken);
        if end.is_none() {
            self.phase = Phase::Data { scanner, dots, bytes };
            return false;
        }
        self.phase = Phase::Commands;
        if bytes - END_BYTES as u64 - u64::from(dots) > message_bytes_max {
            self.session.refuse(Refusal::TooLarge, &mut self.desk);
        } else {
            self.payload.truncate(self.payload.len() - END_BYTES);
            self.store(dots);
        }
        true
    }

    fn chunk_is_here(&mut self, last: bool) {
        self.phase = Phase::Commands;
        if last {
            self.store(0);
        } else {
            self.session.chunk_received(&mut self.desk);
        }
    }

    fn store(&mut self, dots: u32) {
        let envelope = self.session.envelope().as_bytes().to_vec();
        let payload = std::mem::take(&mut self.payload);
        let receipt = FakeReceipt(self.session.messages());
        self.stored.push(Stored { envelope, payload, dots });
        self.session.accept(&receipt, &mut self.desk);
    }

    fn send(&mut self) {
        self.replies.append(&mut self.desk.replies);
    }
}

/// What comes of `dialogue` when it arrives cut behind each of `cuts` (in any order, repeats
/// allowed).
pub fn run_cut(manner: Manner, dialogue: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
    let mut driver = Driver::of(manner, limits.clone());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (dialogue.len() + 1)).collect();
    cuts.push(dialogue.len());
    cuts.sort_unstable();
    let mut from = 0;
    for cut in cuts {
        driver.push(&dialogue[from..cut]);
        from = cut;
    }
    driver.finish()
}

/// Small bounds, so that short inputs reach all of them.
pub fn small_limits(variant: u8) -> Limits {
    Limits {
        message_bytes_max: 200,
        recipients_max: 3,
        envelope_bytes_max: 400,
        command_line_bytes_max: 100,
        errors_max: (variant & 1 != 0).then_some(3),
        messages_max: (variant & 2 != 0).then_some(2),
    }
}

/// The check behind the fuzz target `session`: whatever the octets and wherever they are cut, no
/// panic and the same replies and messages as in one piece.
///
/// `bytes`: variant of the limits, number of cuts (modulo 8), two octets a cut, then the dialogue.
pub fn check_session(bytes: &[u8]) {
    let [variant, cuts, rest @ ..] = bytes else { return };
    let Some((cuts, dialogue)) = rest.split_at_checked(2 * usize::from(cuts % 8)) else { return };
    let cuts: Vec<usize> =
        cuts.chunks_exact(2).map(|pair| usize::from(pair[0]) | usize::from(pair[1]) << 8).collect();
    let limits = small_limits(*variant);
    for manner in Manner::ALL {
        let whole = run_cut(manner, dialogue, &[], &limits);
        assert_eq!(run_cut(manner, dialogue, &cuts, &limits), whole, "{manner:?}, cut at {cuts:?}");
        if dialogue.len() <= 512 {
            let every_octet: Vec<usize> = (0..dialogue.len()).collect();
            let found = run_cut(manner, dialogue, &every_octet, &limits);
            assert_eq!(found, whole, "{manner:?}, octet by octet");
        }
        assert!(manner.syntax == Syntax::Lenient || whole.tolerated.is_empty());
        assert!(whole.tolerated.iter().all(|kinds| !kinds.is_empty()), "a reason for each");
        for stored in &whole.stored {
            let decoded = envelope::decode(&stored.envelope);
            let decoded = decoded.expect("what the session encodes can be decoded");
            let told = whole.tolerated.iter().fold(Deviations::NONE, |all, kinds| all.and(*kinds));
            assert!(decoded.deviations.without(told).is_empty(), "the steps named what is stored");
        }
    }
}
