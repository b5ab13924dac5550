//! What all connections of a worker share, and the input of the one whose turn it is.
use std::sync::Arc;

use crate::log::{PendingCommit, Writer};
use crate::smtp::session::Desk;

use super::clock::Clock;
use super::counters::Counters;
use super::index::Begun;
use super::moments::Moments;
use super::pool::Pool;
use super::record::Recording;
use super::shutdown::Stop;
use super::storage::Storage;
use super::transcript::Transcripts;
use super::transfer::{Acknowledged, Transfer};

/// Octets of input taken up at once; what can't be consumed at the moment is held in a buffer.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// The worker's input buffer: unread commands, and what one read of payload may bring behind the
/// end of data.
const SCRATCH_BYTES: usize = 256 << 10;

/// A commit whose connection has gone.
#[derive(Debug)]
pub(super) struct Orphan {
    pub pending: PendingCommit,
    /// Of the message.
    pub bytes: u64,
    pub recipients: u32,
}

/// What all connections of a worker share, lent to whichever has its turn.
pub(super) struct Bench {
    pub clock: Clock,
    pub desk: Desk,
    pub writer: Writer,
    pub pool: Pool,
    pub stop: Arc<Stop>,
    pub counters: Arc<Counters>,
    pub recording: Recording,
    pub message_bytes_max: u64,
    /// `None`: everything is stored in full.
    pub storage: Option<Arc<Storage>>,
    /// `None`: nobody asked for them.
    pub transcripts: Option<Arc<Transcripts>>,
    /// Who is told that a segment was begun.
    pub begun: Begun,
    /// `None`: NOOP names none.
    pub moments: Option<Arc<Moments>>,
    /// A transfer found the budget for buffers used up: the worker should make room.
    pub starved: bool,
    #[expect(clippy::vec_box, reason = "boxes move between here and connections unopened")]
    pub transfers: Vec<Box<Transfer>>,
    pub acknowledged: Vec<Acknowledged>,
    pub scratch: Vec<u8>,
    /// Commits whose connection has gone.
    pub orphans: Vec<Orphan>,
}

impl Bench {
    pub fn new(
        desk: Desk,
        writer: Writer,
        pool: Pool,
        stop: Arc<Stop>,
        counters: Arc<Counters>,
        message_bytes_max: u64,
    ) -> Bench {
        Bench {
            clock: Clock::start(),
            desk,
            writer,
            pool,
            stop,
            counters,
            recording: Recording::new(None),
            message_bytes_max,
            storage: None,
            transcripts: None,
            begun: Begun::default(),
            moments: None,
            starved: false,
            transfers: Vec::new(),
            acknowledged: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            orphans: Vec::new(),
        }
    }

    /// Whether everything that was said has left this room: it is sent, or kept by its connection.
    pub fn is_silent(&self) -> bool {
        self.desk.replies.is_empty() && self.acknowledged.is_empty()
    }

    /// The loop has woken. True if queues should be looked at: once a second, for statistics.
    pub fn begin_round(&mut self) -> bool {
        let (now_us, unix_ns) = (self.clock.now_us(), self.clock.unix_ns());
        self.recording.begin_round(now_us, unix_ns, &mut self.desk.tally)
    }

    /// The loop goes to sleep.
    pub fn end_round(&mut self) {
        self.recording.end_round(self.clock.now_us());
    }

    /// How long the loop may sleep before a second's statistics must be handed over.
    pub fn statistics_due_ms(&self) -> Option<u64> {
        let due_ns = self.recording.due_ns()?;
        // Rounded up, so that the second is past when we wake.
        Some(due_ns.saturating_sub(self.clock.unix_ns()) / 1_000_000 + 1)
    }
}

/// Input not yet consumed, in the worker's scratch buffer.
pub(super) struct Input {
    pub bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub fn new(bytes: Vec<u8>) -> Input {
        Input { bytes, start: 0, end: 0 }
    }

    /// The first `octets` of `free` are now filled.
    pub fn advance(&mut self, octets: usize) {
        assert!(self.end + octets <= self.bytes.len(), "filled beyond the buffer");
        self.end += octets;
    }

    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn consume(&mut self, octets: usize) {
        assert!(octets <= self.end - self.start, "consumed more than there is");
        self.start += octets;
    }

    /// Free space behind the rest, which moves to the front.
    pub fn free(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = INPUT_BYTES_MAX.max(self.end + 1).min(self.bytes.len());
        &mut self.bytes[self.end..limit]
    }

    /// What came behind the end of a payload; nothing else may be unconsumed.
    pub fn fill(&mut self, octets: &[u8]) {
        assert!(self.is_empty(), "payload is received only when all input is consumed");
        self.bytes[..octets.len()].copy_from_slice(octets);
        (self.start, self.end) = (0, octets.len());
    }
}
