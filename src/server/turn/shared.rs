//! What all connections of a worker share, lent to whichever has its turn.
use std::sync::Arc;

use crate::log::{MessageId, NoRoom};
use crate::smtp::envelope::Client;
use crate::smtp::session::Refusal;
use crate::smtp::workspace::Workspace;
use crate::tls::{Acceptor, Failure};

use super::clock::Clock;
use crate::server::payload::{Buffer, Orphan, Storage, Transfer};
use crate::server::recording::Ledger;
use crate::server::runs::MomentSender;
use crate::server::transcripts::Transcripts;

/// The worker's input buffer: unread commands, and what one read of payload may bring after
/// the end of data.
const SCRATCH_BYTES: usize = 256 << 10;
/// Boxes of ended transfers kept for the next.
const TRANSFERS_KEPT_MAX: usize = 4096;

/// What all connections of a worker share.
pub(crate) struct WorkerShared {
    pub clock: Clock,
    pub workspace: Workspace,
    pub storage: Storage,
    pub ledger: Ledger,
    /// A client has sent octets since this was last asked.
    pub has_heard: bool,
    /// When closing a connection without a PROXY header was last logged, ms of the clock.
    proxy_logged_ms: Option<u64>,
    /// `None`: no sessions are written down.
    pub transcripts: Option<Arc<Transcripts>>,
    /// `None`: arguments of NOOP are ignored.
    pub moments: Option<Arc<MomentSender>>,
    /// A transfer found the budget for buffers used up: the worker should make room.
    pub is_starved: bool,
    pub scratch: Vec<u8>,
    /// Records on their way out.
    pub sealed: Vec<u8>,
    /// What handshakes of each listener go by; `None`: it has no TLS.
    pub acceptors: Vec<Option<Acceptor>>,
    /// Another handshake may begin.
    pub has_room_for_handshake: bool,
    /// When a failure of TLS was last logged, ms of the clock.
    tls_logged_ms: Option<u64>,
    /// Commits whose connection has gone.
    pub orphans: Vec<Orphan>,
    #[expect(clippy::vec_box, reason = "boxes move between here and connections unopened")]
    transfers: Vec<Box<Transfer>>,
}

impl WorkerShared {
    pub fn new(workspace: Workspace, storage: Storage, ledger: Ledger) -> WorkerShared {
        WorkerShared {
            clock: Clock::start(),
            workspace,
            storage,
            ledger,
            has_heard: false,
            proxy_logged_ms: None,
            transcripts: None,
            moments: None,
            is_starved: false,
            scratch: vec![0; SCRATCH_BYTES],
            sealed: Vec::new(),
            acceptors: Vec::new(),
            has_room_for_handshake: true,
            tls_logged_ms: None,
            orphans: Vec::new(),
            transfers: Vec::new(),
        }
    }

    /// Returns whether every reply has left the shared buffer: sent, or kept by its connection.
    pub fn is_silent(&self) -> bool {
        let Workspace { replies, events, .. } = &self.workspace;
        replies.is_empty() && events.is_empty() && self.ledger.acknowledged.is_empty()
    }

    /// A box for a payload that begins.
    pub fn lend_box(&mut self) -> Box<Transfer> {
        self.transfers.pop().unwrap_or_else(|| Box::new(Transfer::new()))
    }

    /// The payload is over; its box waits for the next one.
    pub fn return_box(&mut self, mut transfer: Box<Transfer>) {
        if self.transfers.len() < TRANSFERS_KEPT_MAX {
            *transfer = Transfer::new();
            self.transfers.push(transfer);
        }
    }

    /// A connection of a proxied listener is closed without a word, because of `why`.
    #[cold]
    pub fn refuse_as_proxy(&mut self, peer: Client, why: impl std::fmt::Display) {
        /// The log names one of them this often: clients could fill it.
        const LOGGED_MS: u64 = 10_000;
        self.ledger.recording.proxy_refused();
        let now_ms = self.clock.now_ms();
        if self.proxy_logged_ms.is_none_or(|then| now_ms >= then + LOGGED_MS) {
            self.proxy_logged_ms = Some(now_ms);
            tracing::warn!(%peer, %why, "a connection without a PROXY header is closed");
        }
    }

    /// TLS of a connection has failed.
    #[cold]
    pub fn tls_failed(&mut self, client: Client, failure: Failure) {
        /// The log names one of them this often: clients could fill it.
        const LOGGED_MS: u64 = 10_000;
        self.ledger.recording.tls_failed(failure);
        let now_ms = self.clock.now_ms();
        if self.tls_logged_ms.is_none_or(|then| now_ms >= then + LOGGED_MS) {
            self.tls_logged_ms = Some(now_ms);
            let (kind, why) = (failure.name(), failure.sentence());
            tracing::warn!(%client, kind, why, "TLS failed; more within 10 s are only counted");
        }
    }

    /// Keeps `octets` until the next turn; `None`: the budget for buffers is used up.
    pub fn hold(&mut self, octets: &[u8]) -> Option<Buffer> {
        let Some(mut held) = self.storage.pool.take(octets.len()) else {
            self.is_starved = true;
            return None;
        };
        held.push(octets);
        Some(held)
    }

    /// Refuses `transfer`: the log has no room for it, and will not have any soon.
    #[cold]
    pub fn refuse_for_want_of_room(&mut self, transfer: &mut Transfer, why: NoRoom) {
        self.is_starved |= why == NoRoom::Budget;
        transfer.refuse(Refusal::NoStorage, &mut self.storage);
    }

    /// Commits whose connection has gone: what becomes a message is noted as not acknowledged.
    pub fn see_orphans_through(&mut self) {
        for mut orphan in std::mem::take(&mut self.orphans) {
            match self.storage.writer.poll_commit(&mut orphan.pending) {
                Ok(committed) => {
                    self.note_unsent(committed.id());
                    self.ledger.accepted_unheard(&orphan);
                }
                Err(NoRoom::Wait) => self.orphans.push(orphan),
                Err(NoRoom::Budget | NoRoom::Full) => self.ledger.lost(orphan.draw),
            }
        }
    }

    /// Notes in the log that the 250 for `id` was not sent.
    #[cold]
    pub fn note_unsent(&mut self, id: MessageId) {
        self.storage.note_unsent(id, self.clock.unix_ns());
    }

    /// The loop has woken. True if queues should be looked at: once a second, for statistics.
    pub fn begin_round(&mut self) -> bool {
        let (now_us, unix_ns) = (self.clock.now_us(), self.clock.unix_ns());
        self.ledger.recording.begin_round(now_us, unix_ns, &mut self.workspace.tally)
    }

    /// The loop goes to sleep.
    pub fn end_round(&mut self) {
        let (now_us, unix_ns) = (self.clock.now_us(), self.clock.unix_ns());
        self.ledger.recording.end_round(now_us, unix_ns, &mut self.workspace.tally);
    }

    /// How long the loop may sleep before a second's statistics must be handed over.
    pub fn statistics_due_ms(&self) -> Option<u64> {
        let due_ns = self.ledger.recording.due_ns()?;
        // Rounded up, so that the second is past when we wake.
        Some(due_ns.saturating_sub(self.clock.unix_ns()) / 1_000_000 + 1)
    }
}
