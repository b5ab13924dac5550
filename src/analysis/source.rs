//! The logs of data folders, read as a whole: on all cores, each message once, and what can't be
//! read counted.
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::data_folder::open_folder;
use super::error::Error;
use super::selection::FolderSpans;
use super::span::log_span;
use super::watched::watched;
use crate::log::reader::{Damage, Folder, ReadError, Segment, Stretch};
use crate::log::{Dropped, Slot};

/// More threads than this would wait for the disk.
const THREADS_MAX: usize = 8;

/// Damaged messages that are reported one by one.
const DAMAGE_LISTED_MAX: usize = 20;

/// A data folder, and what is read of it.
pub struct LogSource {
    /// The folder as it was when it was opened.
    pub folder: Folder,
    /// What had been pruned when it was opened: what goes later is missed when its turn comes.
    pub pruned: Dropped,
    stretches: Vec<Stretch>,
}

impl LogSource {
    /// Opens each folder with its span.
    ///
    /// Errors: a folder has no log, or can't be read.
    pub fn open_all(selection: FolderSpans<'_>) -> Result<Vec<LogSource>, Error> {
        selection.parts().map(|(path, span)| LogSource::open(path, span)).collect()
    }

    /// `span`: Unix ns.
    fn open(path: &Path, span: &Range<u64>) -> Result<LogSource, Error> {
        let folder = open_folder(path)?;
        let pruned = folder.pruned().map_err(Error::segments(path))?;
        let listing = folder.listing(log_span(span)).map_err(Error::log(path))?;
        let stretches = listing.stretches().collect();
        Ok(LogSource { folder, pruned, stretches })
    }

    /// Messages of the span, damaged ones included. Costs an addition per segment.
    pub fn len(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.messages).sum()
    }

    /// Messages of a part of the span, damaged ones included. Costs a few binary searches.
    pub fn messages(&self, span: &Range<u64>) -> Result<u64, Error> {
        let listing = self.folder.listing(log_span(span));
        Ok(listing.map_err(Error::log(self.folder.path()))?.len())
    }
}

/// Messages that could not be read.
#[derive(Debug, Default)]
pub struct Unread {
    /// Messages whose slot or envelope can't be read.
    pub damaged: u64,
    /// Why, for the first of them.
    pub damage: Vec<String>,
    /// Messages whose segment was pruned since the folder was opened.
    pub pruned: u64,
}

impl Unread {
    /// Adds a reason, unless there are many.
    pub fn note(&mut self, damage: String) {
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage);
        }
    }

    /// Adds what another thread could not read.
    pub fn merge(&mut self, other: Unread) {
        self.damaged += other.damaged;
        self.pruned += other.pruned;
        other.damage.into_iter().for_each(|damage| self.note(damage));
    }
}

/// A message in the log of one source.
pub struct MessagePlace<'a> {
    /// The position of the source among all.
    pub source: usize,
    /// The segment of the message.
    pub segment: &'a Segment,
    /// Its slot there.
    pub slot: &'a Slot,
}

/// Whether a message could be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understood {
    /// The message was taken.
    Yes,
    /// Its octets are whole and mean nothing: it counts as damaged.
    No,
}

/// What one thread does with each message.
pub trait MessageVisitor: Send {
    /// Takes a message.
    ///
    /// Errors: it can't be read.
    fn visit(&mut self, message: MessagePlace<'_>) -> Result<Understood, Damage>;
}

/// Takes all messages of `sources` to visitors, one for each thread, in any order; within a segment
/// in the order of its slots. `watch` gets how many are done, and of how many, ten times a second.
/// Once `stop` is set, the rest is left out.
pub fn visit_all<V: MessageVisitor>(
    sources: &[LogSource],
    stop: &AtomicBool,
    visitor: &(dyn Fn() -> V + Sync),
    watch: &mut dyn FnMut(u64, u64),
) -> (Vec<V>, Unread) {
    let all = sources.iter().map(LogSource::len).sum();
    let done = AtomicU64::new(0);
    // Partner: the additions in `Visit::run`; a number, and nothing beside it.
    let look = || watch(done.load(Ordering::Relaxed), all);
    let shared = Shared { sources, stop, done: &done, next: AtomicUsize::new(0) };
    watched(look, || shared.on_all_cores(visitor))
}

/// How many threads read at a time.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX)
}

/// What the threads share.
struct Shared<'a> {
    sources: &'a [LogSource],
    stop: &'a AtomicBool,
    done: &'a AtomicU64,
    /// Only tells threads apart; what they find is handed over when they end.
    next: AtomicUsize,
}

impl Shared<'_> {
    fn on_all_cores<V: MessageVisitor>(
        &self,
        visitor: &(dyn Fn() -> V + Sync),
    ) -> (Vec<V>, Unread) {
        let work: Vec<(usize, &Stretch)> = self
            .sources
            .iter()
            .enumerate()
            .flat_map(|(n, source)| source.stretches.iter().map(move |stretch| (n, stretch)))
            .collect();
        let visit_some = || {
            let mut visit = Visit { shared: self, visitor: visitor(), unread: Unread::default() };
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

/// The part of one thread.
struct Visit<'a, V> {
    shared: &'a Shared<'a>,
    visitor: V,
    unread: Unread,
}

/// Messages between two looks at whether to stop, and between two reports of progress.
const MESSAGES_AT_ONCE: u64 = 4096;

impl<V: MessageVisitor> Visit<'_, V> {
    /// Whatever of it can't be read is damaged, or pruned under our eyes.
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
                self.unread.note(error.to_string());
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
                Err(damage) => self.unread.note(damage.to_string()),
            }
            if understood - reported == MESSAGES_AT_ONCE {
                reported = understood;
                // Partner: the load in `visit_all`, which shows progress.
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
