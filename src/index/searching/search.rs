//! Searches all messages of a folder on all cores. Uses the index where there is one, and reads
//! other messages.
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::log::Slot;
use crate::log::reader::{Damage, Folder, ReadError, Segment, SegmentSummary};
use crate::time::{Span, UnixNs};

use super::newest::{Hit, Newest};
use super::omissions::{IndexFault, Omissions, UnusableIndex};
use super::probe::{Match, Probe, id};
use crate::index::query::Query;
use crate::index::sidecar::Sidecar;

/// Number of messages between two checks for a request to stop.
const MESSAGES_AT_ONCE: u64 = 256;
/// Number of slots read at once if messages are not indexed.
const SLOTS_AT_ONCE: u32 = 1024;

/// What a search returns, and how it works.
#[derive(Debug, Clone, Copy)]
pub struct SearchOptions {
    /// Number of newest matches to return; `None`: all matches; 0: only count them.
    pub limit: Option<u64>,
    /// Only messages received in this span match.
    pub span: Span,
    /// Whether to skip messages that are not indexed, and report their number.
    pub indexed_only: bool,
    /// Number of threads that search, each a segment at a time.
    pub threads: usize,
}

/// Shared with other threads, which show the progress of a search and can end it.
#[derive(Debug, Default)]
pub struct SearchProgress {
    /// Number of messages compared with the query so far. Each thread updates it every 256
    /// messages, and after each segment.
    pub messages: AtomicU64,
    /// Set to end the search with what was found so far.
    pub stop: Arc<AtomicBool>,
}

/// What a search found, and what it could not check.
#[derive(Debug, Default)]
pub struct SearchResult {
    /// The matches, the newest first.
    pub hits: Vec<Hit>,
    /// Number of all matches. With a limit above 0, the search ends once the newest hits are
    /// certain, and this is the number of matches found until then.
    pub matches: u64,
    /// Why the answer may be incomplete.
    pub left_out: Omissions,
    /// Segments whose index can't be used, and that were read instead; ascending.
    pub unusable: Vec<UnusableIndex>,
}

/// Searches the messages in `folder` as of its last refresh, without removed ones.
///
/// With a limit, skips segments that can only have older messages than those found.
pub fn search(
    folder: &Folder,
    query: &Query,
    options: SearchOptions,
    progress: &SearchProgress,
) -> SearchResult {
    search_until(folder, query, options, progress, &|| false)
}

/// Searches with a time limit. Returns what was found among the newest messages, and how many
/// messages were not checked.
///
/// All threads call `is_expired` before each message. Once it returns true, it must keep doing so.
pub fn search_until(
    folder: &Folder,
    query: &Query,
    options: SearchOptions,
    progress: &SearchProgress,
    is_expired: &(dyn Fn() -> bool + Sync),
) -> SearchResult {
    let mut segments: Vec<&SegmentSummary> =
        folder.segments().filter(|s| s.messages() + s.lost() > 0).collect();
    segments.sort_by_key(|s| (s.identity.start_count, s.totals.last_received_at_ns));
    segments.reverse();
    let limit = options.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let shared = SharedSearch {
        folder,
        query,
        options,
        progress,
        is_expired,
        segments,
        next: AtomicUsize::new(0),
        newest: Mutex::new(Newest::new(limit)),
        during: query.span().intersection(options.span),
    };
    let parts: Vec<SearchResult> = std::thread::scope(|scope| {
        let search = || {
            let mut part = SearchThread::new(&shared);
            part.run();
            let SearchThread { matches, left_out, unusable, .. } = part;
            SearchResult { hits: Vec::new(), matches, left_out, unusable }
        };
        let threads = options.threads.clamp(1, shared.segments.len().max(1));
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(search)).collect();
        let mine = search();
        let theirs = others.into_iter().map(|other| other.join().expect("searching never panics"));
        std::iter::once(mine).chain(theirs).collect()
    });
    let newest = shared.newest.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut found = SearchResult { hits: newest.into_sorted(), ..SearchResult::default() };
    for part in parts {
        found.matches += part.matches;
        found.left_out.add(part.left_out);
        found.unusable.extend(part.unusable);
    }
    found.unusable.sort_unstable_by_key(|index| index.segment);
    folder.faults().for_each(|error| found.left_out.add_damage(error));
    found.left_out.stopped = progress.stop.load(Ordering::Relaxed);
    found
}

/// What the threads of a search share.
struct SharedSearch<'a> {
    folder: &'a Folder,
    query: &'a Query,
    options: SearchOptions,
    progress: &'a SearchProgress,
    is_expired: &'a (dyn Fn() -> bool + Sync),
    /// The segments with messages, the newest first; `next` is the index of the first one that no
    /// thread has taken.
    segments: Vec<&'a SegmentSummary>,
    next: AtomicUsize,
    newest: Mutex<Newest>,
    /// The span to search: the intersection of the query's and the caller's.
    during: Span,
}

/// The counts of one thread, which are added when it ends.
struct SearchThread<'a> {
    shared: &'a SharedSearch<'a>,
    probe: Probe<'a>,
    matches: u64,
    left_out: Omissions,
    unusable: Vec<UnusableIndex>,
    /// Number of messages checked but not reported yet.
    checked: u64,
    /// Number of messages checked in the current segment; the rest are `not_in_time` if the time
    /// limit passes.
    checked_here: u64,
    /// When it has passed, the remaining messages are only counted.
    time_limit: TimeLimit,
}

/// Whether a thread has found that the time limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeLimit {
    Ahead,
    Passed,
}

/// Whether a search continues within a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continue {
    On,
    Enough,
}

impl<'a> SearchThread<'a> {
    fn new(shared: &'a SharedSearch<'a>) -> SearchThread<'a> {
        let probe = Probe::new(shared.query);
        SearchThread {
            shared,
            probe,
            matches: 0,
            left_out: Omissions::default(),
            unusable: Vec::new(),
            checked: 0,
            checked_here: 0,
            time_limit: TimeLimit::Ahead,
        }
    }

    fn run(&mut self) {
        let shared = self.shared;
        while let Some(summary) = shared.segments.get(shared.next.fetch_add(1, Ordering::Relaxed)) {
            if self.is_stopped() {
                return;
            }
            if !self.may_match(summary) {
                continue;
            }
            if self.check_time() == TimeLimit::Passed {
                self.left_out.not_in_time += summary.messages();
                continue;
            }
            match shared.folder.segment(summary.identity.number) {
                Ok(segment) => {
                    self.checked_here = 0;
                    self.search_segment(&segment, summary);
                    if self.time_limit == TimeLimit::Passed {
                        let checked = self.checked_here;
                        let left = summary.messages().saturating_sub(checked);
                        self.left_out.not_in_time += left;
                    }
                }
                // The folder counts pruned segments.
                Err(ReadError::Pruned { .. }) => {}
                Err(error) => self.left_out.add_damage(error),
            }
            self.report_progress();
        }
    }

    /// Asks the caller whether the time limit has passed, until it has.
    fn check_time(&mut self) -> TimeLimit {
        if self.time_limit == TimeLimit::Ahead && (self.shared.is_expired)() {
            self.time_limit = TimeLimit::Passed;
        }
        self.time_limit
    }

    fn is_stopped(&self) -> bool {
        self.shared.progress.stop.load(Ordering::Relaxed)
    }

    /// Returns whether a message of the segment can be in the span, and newer than the hits that
    /// fill the limit.
    fn may_match(&self, summary: &SegmentSummary) -> bool {
        let during = self.shared.during;
        let (first, last) =
            (summary.totals.first_received_at_ns, summary.totals.last_received_at_ns);
        // The last message of an open segment is not known yet.
        let is_open = summary.state == crate::log::State::Open;
        let is_inside = (is_open || last >= during.start_ns()) && during.is_before_end(first);
        let newest = Hit {
            start_count: summary.identity.start_count,
            received_at_ns: if is_open { UnixNs::LAST } else { last },
            id: crate::log::MessageId { segment: u32::MAX, slot: u32::MAX },
        };
        is_inside && !self.is_beyond(&newest)
    }

    fn is_during(&self, at: UnixNs) -> bool {
        self.shared.during.contains(at)
    }

    /// Returns whether newer hits already fill the limit. With a limit of 0, all matches are
    /// counted.
    fn is_beyond(&self, hit: &Hit) -> bool {
        self.shared.options.limit.is_some_and(|limit| limit > 0)
            && self.lock_newest().is_beyond(hit)
    }

    fn lock_newest(&self) -> std::sync::MutexGuard<'_, Newest> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the index of a segment as far as it can be used, and notes why the rest can't be.
    fn read_sidecar(&mut self, segment: &Segment, summary: &SegmentSummary) -> Option<Sidecar> {
        let (sidecar, fault) = match Sidecar::read(self.shared.folder.path(), segment.identity()) {
            Ok(None) => (None, None),
            Ok(Some(Ok(sidecar))) => {
                // The sidecar of an open segment may still be missing a block.
                let is_sealed = summary.state != crate::log::State::Open;
                let is_cut = is_sealed && sidecar.unsound_bytes() > 0;
                (Some(sidecar), is_cut.then_some(IndexFault::Cut))
            }
            Ok(Some(Err(unusable))) => (None, Some(unusable.into())),
            Err(error) => (None, Some(error.into())),
        };
        let segment = segment.number();
        self.unusable.extend(fault.map(|fault| UnusableIndex { segment, fault }));
        sidecar
    }

    fn search_segment(&mut self, segment: &Segment, summary: &SegmentSummary) {
        let sidecar = self.read_sidecar(segment, summary);
        let slots = summary.published.slots;
        let indexed = sidecar.as_ref().map_or(0, |sidecar| sidecar.end_slot().min(slots));
        if self.search_slots(segment, summary, indexed..slots) == Continue::Enough {
            return;
        }
        for entry in sidecar.iter().flat_map(Sidecar::backward).filter(|e| e.slot < slots) {
            if summary.flags.is_removed(entry.slot) {
                continue;
            }
            if self.check_time() == TimeLimit::Passed {
                return;
            }
            if entry.is_unreadable {
                // The slot has what the entry lacks: the time, and the error.
                match self.search_slot(segment, summary, segment.slot(entry.slot)) {
                    Continue::On => continue,
                    Continue::Enough => return,
                }
            }
            let answer = if self.is_during(entry.columns.received_at_ns) {
                self.probe.ask_entry(segment, &entry)
            } else {
                Ok(Match::NO)
            };
            let hit = Hit {
                start_count: summary.identity.start_count,
                received_at_ns: entry.columns.received_at_ns,
                id: id(segment, &entry),
            };
            if self.record_answer(hit, answer) == Continue::Enough {
                return;
            }
        }
    }

    /// Matches the messages in `slots` by reading them from the log, the newest first.
    fn search_slots(
        &mut self,
        segment: &Segment,
        summary: &SegmentSummary,
        mut slots: Range<u32>,
    ) -> Continue {
        while !slots.is_empty() {
            let from = slots.end.saturating_sub(SLOTS_AT_ONCE).max(slots.start);
            let read: Vec<_> = segment.slots(from..slots.end).collect();
            slots.end = from;
            for slot in read.into_iter().rev() {
                if self.check_time() == TimeLimit::Passed {
                    return Continue::Enough;
                }
                if self.search_slot(segment, summary, slot) == Continue::Enough {
                    return Continue::Enough;
                }
            }
        }
        Continue::On
    }

    fn search_slot(
        &mut self,
        segment: &Segment,
        summary: &SegmentSummary,
        slot: Result<Slot, Damage>,
    ) -> Continue {
        let slot = match slot {
            Ok(slot) if !slot.is_message() || summary.flags.is_removed(slot.id().slot) => {
                return Continue::On;
            }
            Ok(slot) => slot,
            Err(damage) => {
                self.checked_here += 1;
                self.left_out.unreadable(damage);
                return Continue::On;
            }
        };
        let is_during = self.is_during(slot.facts().received_at_ns);
        if is_during && self.shared.options.indexed_only {
            self.checked_here += 1;
            self.left_out.not_indexed += 1;
            return Continue::On;
        }
        let answer = if is_during { self.probe.check(segment, &slot) } else { Ok(Match::NO) };
        let hit = Hit {
            start_count: summary.identity.start_count,
            received_at_ns: slot.facts().received_at_ns,
            id: slot.id(),
        };
        self.record_answer(hit, answer)
    }

    fn record_answer(&mut self, hit: Hit, answer: Result<Match, Damage>) -> Continue {
        match answer {
            Err(damage) => self.left_out.unreadable(damage),
            Ok(Match { is_match, is_partial }) => {
                // A match can also result from missing parts, as for -word.
                self.left_out.partial += u64::from(is_partial);
                if is_match {
                    self.matches += 1;
                    self.lock_newest().push(hit);
                }
            }
        }
        self.checked += 1;
        self.checked_here += 1;
        if !self.checked.is_multiple_of(MESSAGES_AT_ONCE) {
            return Continue::On;
        }
        self.report_progress();
        // Times only decrease from here on, so the remaining messages are beyond the limit, too.
        if self.is_stopped() || self.is_beyond(&hit) { Continue::Enough } else { Continue::On }
    }

    fn report_progress(&mut self) {
        let messages = std::mem::take(&mut self.checked);
        self.shared.progress.messages.fetch_add(messages, Ordering::Relaxed);
    }
}
