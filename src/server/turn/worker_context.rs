//! State that all connections of a worker share. It is lent to the connection that has its turn.
use std::sync::Arc;

use crate::log::{CommitProgress, MessageId, NoRoom};
use crate::smtp::envelope::Client;
use crate::smtp::session::Refusal;
use crate::smtp::workspace::Workspace;
use crate::tls::{Acceptor, Failure};

use super::clock::RoundClock;
use super::worker_tls::WorkerTls;
use crate::server::log_throttle::LogThrottle;
use crate::server::payload::{Buffer, Orphan, Storage, Transfer};
use crate::server::recording::{Ledger, RoundKind};
use crate::server::runs::MarkSender;
use crate::server::transcripts::Transcripts;

/// Size of the worker's input buffer, which holds unread commands and what one read may bring after
/// the end of data.
const SCRATCH_BYTES: usize = 256 << 10;
/// Number of boxes of ended transfers that are kept for reuse.
const TRANSFERS_KEPT_MAX: usize = 4096;

/// What a worker writes besides the log.
#[derive(Default)]
pub(crate) struct SideOutputs {
    /// `None`: no transcripts are written.
    pub transcripts: Option<Arc<Transcripts>>,
    /// `None`: arguments of NOOP are ignored.
    pub marks: Option<Arc<MarkSender>>,
}

/// What turns report to the worker's loop, which resets it.
#[derive(Default)]
pub(crate) struct TurnReports {
    /// Whether octets were read from a client.
    pub has_input: bool,
    /// Whether a transfer found the buffer budget used up, so that the worker should make room.
    pub is_starved: bool,
}

/// State that all connections of a worker share.
pub(crate) struct WorkerContext {
    /// Read as a round begins and as it ends, so its time lags by up to the length of a round.
    pub clock: RoundClock,
    /// Holds only replies of the connection that has its turn; none are left when the turn ends.
    pub workspace: Workspace,
    /// The buffer budget and the log's writer, which all payloads in progress compete for.
    pub storage: Storage,
    /// Every final reply to a message must be reported to it.
    pub ledger: Ledger,
    /// What turns report to the worker's loop.
    pub reports: TurnReports,
    pub outputs: SideOutputs,
    pub tls: WorkerTls,
    /// Limits log lines about connections without a PROXY header.
    proxy_log: LogThrottle,
    /// The worker's input buffer. The turn in progress takes it, which leaves this field empty.
    pub scratch: Vec<u8>,
    /// Commits whose connection has closed.
    pub orphans: Vec<Orphan>,
    /// Reset boxes for new payloads, so that a message costs no allocation.
    #[expect(clippy::vec_box, reason = "the boxes move between here and connections")]
    transfers: Vec<Box<Transfer>>,
}

impl WorkerContext {
    pub fn new(
        workspace: Workspace,
        storage: Storage,
        ledger: Ledger,
        outputs: SideOutputs,
        acceptors: Vec<Option<Acceptor>>,
    ) -> WorkerContext {
        WorkerContext {
            clock: RoundClock::start(),
            workspace,
            storage,
            ledger,
            reports: TurnReports::default(),
            outputs,
            tls: WorkerTls::new(acceptors),
            proxy_log: LogThrottle::default(),
            scratch: vec![0; SCRATCH_BYTES],
            orphans: Vec::new(),
            transfers: Vec::new(),
        }
    }

    /// Returns whether the shared buffer holds no replies: each was sent, or is kept by its
    /// connection.
    pub fn is_silent(&self) -> bool {
        let Workspace { replies, events, .. } = &self.workspace;
        replies.is_empty() && events.is_empty() && self.ledger.acknowledged.is_empty()
    }

    /// Returns a box for a new payload.
    pub fn lend_box(&mut self) -> Box<Transfer> {
        self.transfers.pop().unwrap_or_else(|| Box::new(Transfer::new()))
    }

    /// Keeps the box of an ended payload for reuse.
    #[inline(always)]
    pub fn return_box(&mut self, mut transfer: Box<Transfer>) {
        if self.transfers.len() < TRANSFERS_KEPT_MAX {
            *transfer = Transfer::new();
            self.transfers.push(transfer);
        }
    }

    /// Counts a connection to a proxied listener that is closed without a reply, and logs the
    /// reason `why`.
    #[cold]
    pub fn refuse_as_proxy(&mut self, peer: Client, why: impl std::fmt::Display) {
        self.ledger.measurements.proxy_refused();
        if self.proxy_log.take(self.clock.now_ms()) {
            tracing::warn!(%peer, %why, "a connection without a PROXY header is closed");
        }
    }

    /// Counts and logs a failure of TLS.
    #[cold]
    pub fn tls_failed(&mut self, client: Client, failure: Failure) {
        self.ledger.measurements.tls_failed(failure);
        if self.tls.may_log_failure(self.clock.now_ms()) {
            let (kind, why) = (failure.name(), failure.sentence());
            tracing::warn!(%client, kind, why, "TLS failed; more within 10 s are only counted");
        }
    }

    /// Copies `octets` into a buffer that is kept until the next turn. `None`: the buffer budget is
    /// used up.
    pub fn hold(&mut self, octets: &[u8]) -> Option<Buffer> {
        let Some(mut held) = self.storage.pool.take(octets.len()) else {
            self.reports.is_starved = true;
            return None;
        };
        held.push(octets);
        Some(held)
    }

    /// Refuses `transfer`, because the log or the buffer budget has no room for it.
    #[cold]
    pub fn refuse_for_want_of_room(&mut self, transfer: &mut Transfer, why: NoRoom) {
        self.reports.is_starved |= why == NoRoom::Budget;
        transfer.refuse(Refusal::NoStorage, &mut self.storage);
    }

    /// Polls the commits whose connections have closed. Each message stored that way is noted as
    /// unacknowledged.
    pub fn poll_orphans(&mut self) {
        for mut orphan in std::mem::take(&mut self.orphans) {
            match self.storage.writer.poll_commit(&mut orphan.pending) {
                CommitProgress::Done(committed) => {
                    self.record_unsent(committed.id());
                    self.ledger.accepted_orphan(&orphan);
                }
                CommitProgress::Waiting => self.orphans.push(orphan),
                CommitProgress::Failed => self.ledger.lost(orphan.draw),
            }
        }
    }

    /// Notes in the log that the 250 for `id` was not sent.
    #[cold]
    pub fn record_unsent(&mut self, id: MessageId) {
        self.storage.record_unsent(id, self.clock.unix_ns());
    }

    /// Begins a round.
    pub fn begin_round(&mut self) -> RoundKind {
        let (now_us, unix_ns) = (self.clock.now_us(), self.clock.unix_ns());
        self.ledger.measurements.begin_round(now_us, unix_ns, &mut self.workspace.tally)
    }

    /// Ends a round.
    pub fn end_round(&mut self) {
        let (now_us, unix_ns) = (self.clock.now_us(), self.clock.unix_ns());
        self.ledger.measurements.end_round(now_us, unix_ns, &mut self.workspace.tally);
    }

    /// Returns how long the loop may sleep before the statistics of a second must be handed over.
    pub fn statistics_wait_ms(&self) -> Option<u64> {
        let due_ns = self.ledger.measurements.due_ns()?;
        // Rounded up, so that the second is past when we wake.
        Some(due_ns.ns_since(self.clock.unix_ns()) / 1_000_000 + 1)
    }
}
