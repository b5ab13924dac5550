//! Waits until so many messages match: looks at what is there, then at what comes.
//!
//! The wait is bounded, whatever there is to look at: the first search ends with the time-out, and
//! one last look at what came meanwhile takes at most [`LAST_LOOK`].
use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::log::reader::{Folder, News, ReadError, Span};
use crate::log::{MessageId, Slot};

use super::probe::Probe;
use super::query::Query;
use super::search::{LeftOut, Searching, Wanted, search_until};

/// Stores to a map wake nobody, so the live pages are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The least time for the first search, and the most for the last look.
pub const LAST_LOOK: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// So many messages that match.
    pub count: u64,
    /// Of those that were received in this span.
    pub span: Span,
    /// Whether only what comes from now on counts.
    pub is_new: bool,
    /// How long.
    pub timeout: Duration,
    /// Threads of the first search.
    pub threads: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Waited {
    /// Those that match, at most as many as were waited for: the oldest first.
    pub matching: Vec<MessageId>,
    /// What could not be looked at.
    pub left_out: LeftOut,
}

/// Waits for `goal`, and returns what matched, which may be less.
///
/// `clock`: the time since the wait began, asked by several threads. `pause`: lets up to so much
/// time pass. Returns within the time-out, at least [`LAST_LOOK`], plus [`LAST_LOOK`] and the time
/// that one message takes. Errors: the folder cannot be listed.
pub fn wait(
    folder: &mut Folder,
    query: &Query,
    goal: Goal,
    clock: &(dyn Fn() -> Duration + Sync),
    pause: &mut dyn FnMut(Duration),
) -> io::Result<Waited> {
    let mut waited = Waited::default();
    let mut seen = folder.positions();
    let search_ends = goal.timeout.max(LAST_LOOK);
    if !goal.is_new {
        let wanted = Wanted {
            limit: Some(goal.count),
            span: goal.span,
            indexed_only: false,
            threads: goal.threads,
        };
        let is_over = || clock() >= search_ends;
        let found = search_until(folder, query, wanted, &Searching::default(), &is_over);
        waited.matching = found.hits.iter().rev().map(|hit| hit.id).collect();
        waited.left_out = found.left_out;
    }
    let mut probe = Probe::new(query);
    while (waited.matching.len() as u64) < goal.count {
        // Before the look: what comes until then is seen.
        let is_last = clock() >= goal.timeout;
        let news = folder.follow(&mut seen)?;
        let is_over = || clock() >= search_ends + LAST_LOOK;
        waited.look(folder, news, &mut probe, goal.span, &is_over);
        if is_last {
            break;
        }
        pause(LOOK_EVERY.min(goal.timeout.saturating_sub(clock())));
    }
    waited.matching.truncate(usize::try_from(goal.count).unwrap_or(usize::MAX));
    Ok(waited)
}

impl Waited {
    /// Puts the query to what has come, the newest first.
    fn look(
        &mut self,
        folder: &Folder,
        news: News,
        probe: &mut Probe<'_>,
        span: Span,
        is_over: &dyn Fn() -> bool,
    ) {
        let during: Range<u64> = span.since_ns.unwrap_or(0)..span.until_ns.unwrap_or(u64::MAX);
        for damage in &news.damage {
            self.tell(damage);
        }
        let mut slots: Vec<Slot> = news.slots;
        slots.retain(|slot| during.contains(&slot.facts.received_at_ns));
        let mut found = Vec::new();
        while let Some(slot) = slots.last() {
            if is_over() {
                self.left_out.not_in_time += slots.len() as u64;
                break;
            }
            let answer = folder
                .segment(slot.id.segment)
                .and_then(|segment| probe.ask(&segment, slot).map_err(ReadError::from));
            match answer {
                Ok(answer) if answer.is_match => found.push(slot.id),
                Ok(_) => {}
                Err(error) => self.tell(&error),
            }
            slots.pop();
        }
        self.matching.extend(found.into_iter().rev());
    }

    /// What was pruned is no damage: the folder has counted it.
    fn tell(&mut self, error: &ReadError) {
        if !matches!(error, ReadError::Pruned { .. }) {
            self.left_out.unreadable += 1;
            self.left_out.tell(error);
        }
    }
}
