//! The outcomes of a commit, and the reasons why the log has no room for one.
use crossbeam_channel::{Receiver, TryRecvError};

use crate::log::exchange::OwnEvent;
use crate::log::format::id::MessageId;

/// Proof of a commit; only the log makes one.
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

/// Proof that a message was counted and nothing of it stored; only the log makes one.
#[derive(Debug, Clone, Copy)]
pub struct Counted(());

impl Counted {
    pub(super) fn new() -> Counted {
        Counted(())
    }
}

/// Why a writer has no room. None of them is a mistake, and none loses anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Provisioning is behind: park; the writer's `wake` is called when there may be room.
    Wait,
    /// A budget of this worker (regions, own segments) is used up: 452, or stage.
    Budget,
    /// The disk is full or failing: 452 until a probe succeeds.
    Full,
}

/// The commit of a reservation.
#[derive(Debug)]
pub enum Commit {
    /// Readers can see it.
    Done(Committed),
    /// An own segment is being cut and renamed by provisioning, or a flush must come first; `wake`
    /// is called; ask [`Writer::poll_commit`](super::Writer::poll_commit).
    Later(PendingCommit),
}

impl Commit {
    /// The proof, where there is one already (durabilities `process` and `interval`).
    pub fn done(self) -> Option<Committed> {
        match self {
            Commit::Done(committed) => Some(committed),
            Commit::Later(_) => None,
        }
    }
}

/// A commit under way. Dropped, it still happens, but its share of the budget, or its segment, is
/// not given back.
#[must_use]
#[derive(Debug)]
pub enum PendingCommit {
    /// An own segment.
    #[doc(hidden)]
    Own(PendingOwn),
    /// Written, and waiting for a flush (durability `message`).
    #[doc(hidden)]
    Flush(MessageId),
}

/// An own segment on its way into place.
#[derive(Debug)]
pub struct PendingOwn {
    events: Receiver<OwnEvent>,
    /// How it ended, once that is known.
    outcome: Option<Result<MessageId, NoRoom>>,
}

/// What has come since the last look at an own segment under way.
pub(super) enum OwnLook {
    /// The own segment had ended before.
    Known(Result<MessageId, NoRoom>),
    /// The own segment has just ended: its share of the budget is free.
    Ended(Result<MessageId, NoRoom>),
    Waiting,
}

impl PendingOwn {
    pub(super) fn new(events: Receiver<OwnEvent>) -> PendingOwn {
        PendingOwn { events, outcome: None }
    }

    /// Whether its outcome is not known yet.
    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    pub(super) fn look(&mut self) -> OwnLook {
        if let Some(outcome) = self.outcome {
            return OwnLook::Known(outcome);
        }
        loop {
            let outcome = match self.events.try_recv() {
                // The file was opened after the commit was asked for; its map is not needed.
                Ok(OwnEvent::Opened(access)) => {
                    drop(access);
                    continue;
                }
                Ok(OwnEvent::Committed(id)) => Ok(id),
                Ok(OwnEvent::Failed) | Err(TryRecvError::Disconnected) => Err(NoRoom::Full),
                Err(TryRecvError::Empty) => return OwnLook::Waiting,
            };
            self.outcome = Some(outcome);
            return OwnLook::Ended(outcome);
        }
    }
}
