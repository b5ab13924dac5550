//! Waits until N messages match: existing ones first, then new ones as they arrive.
//!
//! The total time is bounded: the first search ends at the timeout (or after [`FINAL_CHECK`], if
//! longer), and a final check of mail that arrived meanwhile takes at most [`FINAL_CHECK`].
use std::io;
use std::time::Duration;

use crate::log::reader::{Folder, NewMessages, ReadError};
use crate::log::{MessageId, Slot};
use crate::time::Span;

use super::omissions::Omissions;
use super::probe::Probe;
use super::search::{SearchOptions, SearchProgress, search_until};
use crate::index::query::Query;

/// How often the wait checks the live pages, because a store to a map wakes no reader.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Minimum time limit of the first search, and time limit of the final check.
pub const FINAL_CHECK: Duration = Duration::from_secs(1);

/// A data folder to watch, and which of its messages count.
#[derive(Debug)]
pub struct WatchedFolder<'a> {
    /// The folder, refreshed at each check.
    pub folder: &'a mut Folder,
    /// The query that messages must match.
    pub query: &'a Query,
    /// Only messages received in this span count.
    pub span: Span,
}

/// When a wait ends.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Number of messages that must match, in all folders together.
    pub count: u64,
    /// Whether only new messages count.
    pub is_new: bool,
    /// Time after which the wait ends with what has arrived. Zero checks the present messages.
    pub timeout: Duration,
    /// Number of threads that search the messages that exist already. New ones are checked by the
    /// calling thread.
    pub threads: usize,
}

/// What a wait found, and what it could not check.
#[derive(Debug, Default)]
pub struct Waited {
    /// The messages that match, at most as many as the goal, each with the index of its folder.
    /// Existing messages come first, from the oldest to the newest, then new ones as they arrived.
    pub matching: Vec<(usize, MessageId)>,
    /// What could not be checked.
    pub left_out: Omissions,
}

/// Waits for `goal`. Returns the matches, which can be fewer than the goal.
///
/// `clock` returns the time since the wait began; several threads call it. `pause` waits for up to
/// the given time. Returns within the timeout (or [`FINAL_CHECK`], if longer) plus [`FINAL_CHECK`]
/// plus the time for one message. Errors: a folder can't be listed.
pub fn wait(
    watched: &mut [WatchedFolder<'_>],
    goal: Goal,
    clock: &(dyn Fn() -> Duration + Sync),
    pause: &mut dyn FnMut(Duration),
) -> io::Result<Waited> {
    let mut waited = Waited::default();
    let mut seen: Vec<_> = watched.iter().map(|one| one.folder.positions()).collect();
    let search_ends = goal.timeout.max(FINAL_CHECK);
    if !goal.is_new {
        waited.search(watched, goal, search_ends, clock);
    }
    let mut probes: Vec<_> = watched.iter().map(|one| Probe::new(one.query)).collect();
    while (waited.matching.len() as u64) < goal.count {
        // Evaluated first, so that the check below sees everything that arrives until the timeout.
        let is_last = clock() >= goal.timeout;
        for (n, one) in watched.iter_mut().enumerate() {
            let news = one.folder.follow(&mut seen[n])?;
            let is_expired = || clock() >= search_ends + FINAL_CHECK;
            let found = waited.check_new(one, news, &mut probes[n], &is_expired);
            waited.matching.extend(found.into_iter().map(|id| (n, id)));
        }
        if is_last {
            break;
        }
        pause(POLL_INTERVAL.min(goal.timeout.saturating_sub(clock())));
    }
    waited.matching.truncate(usize::try_from(goal.count).unwrap_or(usize::MAX));
    Ok(waited)
}

impl Waited {
    /// Searches the existing messages, giving each folder its share of the time.
    fn search(
        &mut self,
        watched: &[WatchedFolder<'_>],
        goal: Goal,
        ends: Duration,
        clock: &(dyn Fn() -> Duration + Sync),
    ) {
        let mut hits = Vec::new();
        for (n, one) in watched.iter().enumerate() {
            let options = SearchOptions {
                limit: Some(goal.count),
                span: one.span,
                indexed_only: false,
                threads: goal.threads,
            };
            let now = clock();
            let share = ends.saturating_sub(now) / (watched.len() - n) as u32;
            let is_expired = || clock() >= now + share;
            let found = search_until(
                one.folder,
                one.query,
                options,
                &SearchProgress::default(),
                &is_expired,
            );
            hits.extend(found.hits.iter().rev().map(|hit| (n, *hit)));
            self.left_out.add(found.left_out);
        }
        if watched.len() > 1 {
            hits.sort_by_key(|(_, hit)| hit.received_at_ns);
        }
        let count = usize::try_from(goal.count).unwrap_or(usize::MAX);
        let newest = hits.split_off(hits.len().saturating_sub(count));
        self.matching = newest.iter().map(|(n, hit)| (*n, hit.id)).collect();
    }

    /// Matches new messages, the newest first. Returns the matches, the oldest first.
    fn check_new(
        &mut self,
        watched: &WatchedFolder<'_>,
        news: NewMessages,
        probe: &mut Probe<'_>,
        is_expired: &dyn Fn() -> bool,
    ) -> Vec<MessageId> {
        for damage in news.damage {
            self.count_unreadable(damage);
        }
        let mut slots: Vec<Slot> = news.slots;
        slots.retain(|slot| watched.span.contains(slot.facts().received_at_ns));
        let mut found = Vec::new();
        while let Some(slot) = slots.last() {
            if is_expired() {
                self.left_out.not_in_time += slots.len() as u64;
                break;
            }
            let answer = watched
                .folder
                .segment(slot.id().segment)
                .and_then(|segment| probe.check(&segment, slot).map_err(ReadError::from));
            match answer {
                Ok(answer) if answer.is_match => found.push(slot.id()),
                Ok(_) => {}
                Err(error) => self.count_unreadable(error),
            }
            slots.pop();
        }
        found.reverse();
        found
    }

    /// Counts an unreadable message, unless it was pruned: the folder counts those.
    fn count_unreadable(&mut self, error: ReadError) {
        if !matches!(error, ReadError::Pruned { .. }) {
            self.left_out.unreadable(error);
        }
    }
}
