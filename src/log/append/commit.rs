//! The outcomes of a commit, and the reasons why the log has no room for a record.
use crossbeam_channel::{Receiver, TryRecvError};

use crate::log::exchange::DedicatedEvent;
use crate::log::format::id::MessageId;

/// Proof that a message is committed; only the log creates it.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    id: MessageId,
}

impl Committed {
    pub(super) fn new(id: MessageId) -> Committed {
        Committed { id }
    }

    /// The message's id.
    pub fn id(&self) -> MessageId {
        self.id
    }
}

/// Proof that a message was counted without being stored; only the log creates it.
#[derive(Debug, Clone, Copy)]
pub struct Counted(());

impl Counted {
    pub(super) fn new() -> Counted {
        Counted(())
    }
}

/// Why a writer has no room for octets or a record. None of these is a bug, and no message is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Provisioning is too slow: park the connection. The writer's `wake` is called when there may
    /// be room.
    Wait,
    /// A budget of this worker (regions or dedicated segments) is used up, or the payload exceeds
    /// what a slot can count: reply 452, or stage the payload.
    Budget,
    /// The disk is full or failing: reply 452. Provisioning keeps trying.
    Full,
}

/// The outcome of committing a record.
#[derive(Debug)]
pub enum Commit {
    /// Committed: readers can see it.
    Done(Committed),
    /// Not committed yet: provisioning still has to cut and rename a dedicated segment, or a flush
    /// must finish first. After `wake` is called, call
    /// [`Writer::poll_commit`](super::Writer::poll_commit).
    Later(PendingCommit),
}

impl Commit {
    /// Returns the proof if the commit is done, which is always so with the durabilities `process`
    /// and `interval`, except for dedicated segments.
    pub fn done(self) -> Option<Committed> {
        match self {
            Commit::Done(committed) => Some(committed),
            Commit::Later(_) => None,
        }
    }
}

/// A commit in progress. If dropped, the commit still happens, but its share of the budget, or its
/// segment, is not released.
#[must_use]
#[derive(Debug)]
pub enum PendingCommit {
    /// In a dedicated segment.
    #[doc(hidden)]
    Dedicated(PendingDedicated),
    /// Written, but waiting for a flush (durability `message`).
    #[doc(hidden)]
    Flush(MessageId),
}

/// How far a [`PendingCommit`] has come.
#[must_use]
#[derive(Debug, Clone, Copy)]
pub enum CommitProgress {
    /// Not known yet: the writer's `wake` is called when there may be more to learn.
    Waiting,
    /// Committed: readers can see it.
    Done(Committed),
    /// The disk is full or failing. Readers don't see the record.
    Failed,
}

impl CommitProgress {
    pub(super) fn is_final(self) -> bool {
        !matches!(self, CommitProgress::Waiting)
    }
}

/// A dedicated segment that is being committed.
#[derive(Debug)]
pub struct PendingDedicated {
    events: Receiver<DedicatedEvent>,
    progress: CommitProgress,
}

impl PendingDedicated {
    pub(super) fn new(events: Receiver<DedicatedEvent>) -> PendingDedicated {
        PendingDedicated { events, progress: CommitProgress::Waiting }
    }

    /// Returns the progress that the last `poll` found.
    pub(super) fn progress(&self) -> CommitProgress {
        self.progress
    }

    /// Returns what provisioning has reported. Call it only while the progress is not final.
    pub(super) fn poll(&mut self) -> CommitProgress {
        self.progress = loop {
            match self.events.try_recv() {
                // The file was opened after the commit was requested; its map is not needed.
                Ok(DedicatedEvent::Opened(access)) => drop(access),
                Ok(DedicatedEvent::Committed(id)) => {
                    break CommitProgress::Done(Committed::new(id));
                }
                Ok(DedicatedEvent::Failed) | Err(TryRecvError::Disconnected) => {
                    break CommitProgress::Failed;
                }
                Err(TryRecvError::Empty) => break CommitProgress::Waiting,
            }
        };
        self.progress
    }
}
