//! When and how the sink stops.
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mio::Waker;

/// The stages of a stop. The stage only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopStage {
    /// No stop has begun.
    Running,
    /// Clients in the accept queues and idle sessions get 421; transactions have the grace period
    /// to end.
    Graceful,
    /// All connections are closed at once.
    AtOnce,
}

/// State of the stop, shared by the workers and all threads that can stop the sink.
#[derive(Debug)]
pub struct Stop {
    /// A [`StopStage`]. `begin` and `stage` pair with each other.
    stage: AtomicU8,
    /// Commits that may still begin, with `--stop-after-messages`.
    tickets: Option<AtomicU64>,
    /// Commits that must still succeed before the stop, with `--stop-after-messages`.
    to_commit: AtomicU64,
    /// Sessions that must still end before the stop, with `--stop-after-sessions`.
    sessions: Option<AtomicU64>,
    wakers: Mutex<Vec<Arc<Waker>>>,
    /// Notified when the stage rises, so that the main thread doesn't have to poll.
    watchers: Mutex<Vec<crossbeam_channel::Sender<()>>>,
}

impl Stop {
    /// Creates the state of a running sink, which stops by itself after this number of messages or
    /// sessions, if given.
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

    /// Returns the stage that the stop has reached.
    pub fn stage(&self) -> StopStage {
        // Partner: `begin`, whose store precedes the wake-up of the worker.
        match self.stage.load(Ordering::Acquire) {
            0 => StopStage::Running,
            1 => StopStage::Graceful,
            _ => StopStage::AtOnce,
        }
    }

    /// Raises the stage and wakes every worker.
    pub fn begin(&self, stage: StopStage) {
        // Partner: `stage`, which workers call after they are woken below.
        self.stage.fetch_max(stage as u8, Ordering::Release);
        self.wake_workers();
        for watcher in self.watchers.lock().expect("no thread panics while holding it").iter() {
            // A full channel means that the watcher has already been notified.
            let _ = watcher.try_send(());
        }
    }

    /// Wakes every worker, which then begins a round.
    pub(super) fn wake_workers(&self) {
        for waker in self.wakers.lock().expect("no thread panics while holding it").iter() {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "a worker could not be woken");
            }
        }
    }

    pub(super) fn add_waker(&self, waker: Arc<Waker>) {
        self.wakers.lock().expect("no thread panics while holding it").push(waker);
    }

    /// Returns a channel that receives an item when the stage rises.
    pub fn watch(&self) -> crossbeam_channel::Receiver<()> {
        let (notify, notified) = crossbeam_channel::bounded(1);
        self.watchers.lock().expect("no thread panics while holding it").push(notify);
        notified
    }

    /// Takes the right to commit one message; returns false if no ticket is left.
    pub(super) fn take_ticket(&self) -> bool {
        let Some(tickets) = &self.tickets else { return true };
        tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }

    /// Puts back a ticket whose message was not committed.
    pub(super) fn put_ticket_back(&self) {
        if let Some(tickets) = &self.tickets {
            tickets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes the commit of a message with a ticket. The last one begins the stop.
    pub(super) fn committed(&self) {
        if self.tickets.is_some() && self.to_commit.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.begin(StopStage::Graceful);
        }
    }

    /// Notes the end of a session. The last one of `--stop-after-sessions` begins the stop.
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
    fn exactly_the_requested_number_of_tickets_is_given() {
        let stop = Stop::new(Some(2), None);
        assert!(stop.take_ticket());
        assert!(stop.take_ticket());
        assert!(!stop.take_ticket());
        stop.put_ticket_back();
        assert!(stop.take_ticket());
        stop.committed();
        assert_eq!(stop.stage(), StopStage::Running);
        stop.committed();
        assert_eq!(stop.stage(), StopStage::Graceful);
    }

    #[test]
    fn the_stage_only_rises() {
        let stop = Stop::new(None, Some(1));
        let notified = stop.watch();
        stop.session_ended();
        stop.begin(StopStage::AtOnce);
        stop.begin(StopStage::Graceful);
        assert_eq!(stop.stage(), StopStage::AtOnce);
        assert!(notified.try_recv().is_ok());
    }
}
