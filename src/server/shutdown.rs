//! When and how the sink stops.
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mio::Waker;

/// How far a stop has come; only ever rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopStage {
    Running,
    /// Queues are drained, idle sessions get 421, transactions have their grace.
    Graceful,
    /// Everything is closed as it stands.
    AtOnce,
}

/// Shared by the workers, the signal handler and every other caller that may stop the sink.
#[derive(Debug)]
pub struct Stop {
    /// Written with release by `begin`, read with acquire by the workers (paired by the wake-up).
    stage: AtomicU8,
    /// Commits still allowed, if `--stop-after-messages` was given.
    tickets: Option<AtomicU64>,
    /// Commits still to come before the stop, if `--stop-after-messages` was given.
    to_commit: AtomicU64,
    sessions: Option<AtomicU64>,
    wakers: Mutex<Vec<Arc<Waker>>>,
    /// Told when the stage rises, so that the main thread need not poll.
    watchers: Mutex<Vec<crossbeam_channel::Sender<()>>>,
}

impl Stop {
    pub fn new(after_messages: Option<u64>, after_sessions: Option<u64>) -> Stop {
        Stop {
            stage: AtomicU8::new(0),
            tickets: after_messages.map(AtomicU64::new),
            to_commit: AtomicU64::new(after_messages.unwrap_or(0)),
            sessions: after_sessions.map(AtomicU64::new),
            wakers: Mutex::new(Vec::new()),
            watchers: Mutex::new(Vec::new()),
        }
    }

    pub fn stage(&self) -> StopStage {
        match self.stage.load(Ordering::Acquire) {
            0 => StopStage::Running,
            1 => StopStage::Graceful,
            _ => StopStage::AtOnce,
        }
    }

    /// Raises the stage and wakes every worker.
    pub fn begin(&self, stage: StopStage) {
        self.stage.fetch_max(stage as u8, Ordering::Release);
        self.wake_workers();
        for watcher in self.watchers.lock().expect("nobody panics while holding it").iter() {
            // Full: the watcher has a notice already.
            let _ = watcher.try_send(());
        }
    }

    /// Has every worker begin a round.
    pub(super) fn wake_workers(&self) {
        for waker in self.wakers.lock().expect("nobody panics while holding it").iter() {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "a worker could not be woken");
            }
        }
    }

    pub(super) fn add_waker(&self, waker: Arc<Waker>) {
        self.wakers.lock().expect("nobody panics while holding it").push(waker);
    }

    /// A channel that gets an item when the stage rises.
    pub fn watch(&self) -> crossbeam_channel::Receiver<()> {
        let (told, heard) = crossbeam_channel::bounded(1);
        self.watchers.lock().expect("nobody panics while holding it").push(told);
        heard
    }

    /// Takes the right to commit one message; false: all that were asked for are on their way.
    pub(super) fn take_ticket(&self) -> bool {
        let Some(tickets) = &self.tickets else { return true };
        tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }

    /// The message did not commit after all.
    pub(super) fn give_ticket_back(&self) {
        if let Some(tickets) = &self.tickets {
            tickets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A message with a ticket is committed; the last one begins the stop.
    pub(super) fn committed(&self) {
        if self.tickets.is_some() && self.to_commit.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.begin(StopStage::Graceful);
        }
    }

    /// A session has ended; the last one asked for begins the stop.
    pub(super) fn session_ended(&self) {
        let Some(sessions) = &self.sessions else { return };
        let before =
            sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if before == Ok(1) {
            self.begin(StopStage::Graceful);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_tickets_asked_for_are_given() {
        let stop = Stop::new(Some(2), None);
        assert!(stop.take_ticket());
        assert!(stop.take_ticket());
        assert!(!stop.take_ticket());
        stop.give_ticket_back();
        assert!(stop.take_ticket());
        stop.committed();
        assert_eq!(stop.stage(), StopStage::Running);
        stop.committed();
        assert_eq!(stop.stage(), StopStage::Graceful);
    }

    #[test]
    fn the_stage_only_rises() {
        let stop = Stop::new(None, Some(1));
        let told = stop.watch();
        stop.session_ended();
        stop.begin(StopStage::AtOnce);
        stop.begin(StopStage::Graceful);
        assert_eq!(stop.stage(), StopStage::AtOnce);
        assert!(told.try_recv().is_ok());
    }
}
