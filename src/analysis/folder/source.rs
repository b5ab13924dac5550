//! Reads whole logs on all cores: each message once, with a count of those that can't be read.
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::data_folder::open_folder;
use super::selection::FolderSpans;
use crate::analysis::error::AnalysisError;
use crate::analysis::watched::watched;
use crate::log::reader::{Damage, Folder, ReadError, Segment, Stretch};
use crate::log::{Dropped, Slot};
use crate::machine::cores;
use crate::time::Span;

/// Maximum number of threads; more would only wait for the disk.
const THREADS_MAX: usize = 8;

/// Maximum number of damaged messages that are reported individually.
const DAMAGE_LISTED_MAX: usize = 20;

/// A data folder, and the span to read.
pub struct LogSource {
    /// The folder, as it was when opened. Later mail is not read.
    pub folder: Folder,
    /// What had been pruned by then; anything pruned later is missing from the answer.
    pub pruned: Dropped,
    stretches: Vec<Stretch>,
}

impl LogSource {
    /// Opens each folder with its span.
    ///
    /// Errors: a folder has no log, or can't be read.
    pub fn open_all(selection: FolderSpans<'_>) -> Result<Vec<LogSource>, AnalysisError> {
        selection.parts().map(|(path, span)| LogSource::open(path, span)).collect()
    }

    fn open(path: &Path, span: Span) -> Result<LogSource, AnalysisError> {
        let folder = open_folder(path)?;
        let pruned = folder.pruned().map_err(AnalysisError::segments(path))?;
        let listing = folder.listing(span).map_err(AnalysisError::log(path))?;
        let stretches = listing.stretches().collect();
        Ok(LogSource { folder, pruned, stretches })
    }

    /// Returns the number of messages in the span, including damaged ones. Takes an addition per
    /// stretch of the log.
    pub fn len(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.messages).sum()
    }

    /// Returns the number of messages in a part of the span, including damaged ones. Takes a few
    /// binary searches.
    pub fn messages(&self, span: Span) -> Result<u64, AnalysisError> {
        let listing = self.folder.listing(span);
        Ok(listing.map_err(AnalysisError::log(self.folder.path()))?.len())
    }
}

/// Messages that could not be read.
#[derive(Debug, Default)]
pub struct UnreadMessages {
    /// Messages whose slot or envelope can't be read.
    pub damaged: u64,
    /// Why they can't be read; the first reasons only.
    pub damage: Vec<ReadError>,
    /// Messages whose segment was pruned after the folder was opened.
    pub pruned: u64,
}

impl UnreadMessages {
    /// Adds a reason, unless there are many already.
    pub fn note(&mut self, damage: impl Into<ReadError>) {
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage.into());
        }
    }

    /// Adds the figures of another thread.
    pub fn merge(&mut self, other: UnreadMessages) {
        self.damaged += other.damaged;
        self.pruned += other.pruned;
        other.damage.into_iter().for_each(|damage| self.note(damage));
    }
}

/// Where a message is: in which source, segment and slot.
pub struct MessagePlace<'a> {
    /// The position of the source among all sources.
    pub source: usize,
    /// The segment, which stays open during the visit.
    pub segment: &'a Segment,
    /// The slot, already read.
    pub slot: &'a Slot,
}

/// Whether a visitor could make sense of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understood {
    /// The message was used.
    Yes,
    /// The visitor could not read the message, although its checksum is right. The message counts
    /// as damaged.
    No,
}

/// What one thread does with each message that it reads.
pub trait MessageVisitor: Send {
    /// Visits a message.
    ///
    /// Errors: the message can't be read.
    fn visit(&mut self, message: MessagePlace<'_>) -> Result<Understood, Damage>;
}

/// Passes all messages of `sources` to visitors, one visitor per thread, in any order; within a
/// segment in the order of the slots. `watch` gets the number of messages done and in total, ten
/// times a second. Once `stop` is set, the remaining messages are skipped.
pub fn visit_all<V: MessageVisitor>(
    sources: &[LogSource],
    stop: &AtomicBool,
    visitor: &(dyn Fn() -> V + Sync),
    watch: &mut dyn FnMut(u64, u64),
) -> (Vec<V>, UnreadMessages) {
    let all = sources.iter().map(LogSource::len).sum();
    let done = AtomicU64::new(0);
    // Pairs with the additions in `Visit::stretch`. Only the number itself is shared.
    let look = || watch(done.load(Ordering::Relaxed), all);
    let shared = VisitorInput { sources, stop, done: &done, next: AtomicUsize::new(0) };
    watched(look, || shared.on_all_cores(visitor))
}

/// Returns the number of reading threads: one for each core that this process may use, at most 8.
pub fn threads() -> usize {
    cores().min(THREADS_MAX)
}

/// State that the threads share.
struct VisitorInput<'a> {
    sources: &'a [LogSource],
    stop: &'a AtomicBool,
    done: &'a AtomicU64,
    /// Only distributes the work; results are handed over when the threads end.
    next: AtomicUsize,
}

impl VisitorInput<'_> {
    fn on_all_cores<V: MessageVisitor>(
        &self,
        visitor: &(dyn Fn() -> V + Sync),
    ) -> (Vec<V>, UnreadMessages) {
        let work: Vec<(usize, &Stretch)> = self
            .sources
            .iter()
            .enumerate()
            .flat_map(|(n, source)| source.stretches.iter().map(move |stretch| (n, stretch)))
            .collect();
        let visit_some = || {
            let mut visit =
                Visit { shared: self, visitor: visitor(), unread: UnreadMessages::default() };
            while let Some((source, stretch)) = work.get(self.next.fetch_add(1, Ordering::Relaxed))
            {
                visit.stretch(*source, stretch);
            }
            (visit.visitor, visit.unread)
        };
        let threads = threads().min(work.len()).max(1);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(visit_some)).collect();
            let (first, mut unread) = visit_some();
            let mut visitors = vec![first];
            for thread in others {
                let (visitor, theirs) = thread.join().expect("a visitor does not panic");
                visitors.push(visitor);
                unread.merge(theirs);
            }
            (visitors, unread)
        })
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A visitor, and the messages that it could not read.
struct Visit<'a, V> {
    shared: &'a VisitorInput<'a>,
    visitor: V,
    unread: UnreadMessages,
}

/// Number of messages between two checks of `stop`, and between two progress reports.
const MESSAGES_AT_ONCE: u64 = 4096;

impl<V: MessageVisitor> Visit<'_, V> {
    /// Visits the messages of a stretch. Those that can't be read count as damaged, or as pruned.
    fn stretch(&mut self, source: usize, stretch: &Stretch) {
        if self.shared.is_stopped() {
            return;
        }
        let folder = &self.shared.sources[source].folder;
        let segment = match folder.segment(stretch.segment) {
            Ok(segment) => segment,
            Err(ReadError::Pruned { .. }) => {
                self.unread.pruned += stretch.messages;
                return;
            }
            Err(error) => {
                self.unread.note(error);
                self.unread.damaged += stretch.messages;
                return;
            }
        };
        let (mut understood, mut reported) = (0, 0);
        for slot in segment.slots(stretch.slots.clone()) {
            let read = match slot {
                Ok(slot) if !slot.is_message() || folder.is_removed(slot.id()) => continue,
                Ok(slot) => {
                    self.visitor.visit(MessagePlace { source, segment: &segment, slot: &slot })
                }
                Err(damage) => Err(damage),
            };
            match read {
                Ok(Understood::Yes) => understood += 1,
                // Both are counted below.
                Ok(Understood::No) => {}
                Err(damage) => self.unread.note(damage),
            }
            if understood - reported == MESSAGES_AT_ONCE {
                reported = understood;
                // Pairs with the load in `visit_all`, which reports progress.
                self.shared.done.fetch_add(MESSAGES_AT_ONCE, Ordering::Relaxed);
                if self.shared.is_stopped() {
                    return;
                }
            }
        }
        let messages = stretch.messages.saturating_sub(reported);
        self.shared.done.fetch_add(messages, Ordering::Relaxed);
        self.unread.damaged += stretch.messages.saturating_sub(understood);
    }
}
