//! The segments of a data folder, as of the last refresh, and which of them are open.
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::opening::{Opening, PrunedUnread};
use super::segment::KnownScan;
use super::summary::SegmentSummary;
use super::{ReadError, Segment, SegmentError};
use crate::log::files::flags::{self, Flags};
use crate::log::files::layout::{self, flagged, segment_files};
use crate::log::format::id::MessageId;
use crate::log::format::{BootId, Slot};

/// Maximum number of sealed segments kept open, so that a folder with thousands of them does not
/// exhaust the descriptors.
const OPEN_MAX: usize = 64;
/// Maximum number of listings per refresh. If a ring drops segments quickly, files can be gone
/// before they are opened.
const LISTINGS_MAX: usize = 10;

/// The segments of a data folder, as of the last refresh.
#[derive(Debug)]
pub(super) struct Catalog {
    path: PathBuf,
    boot: BootId,
    entries: BTreeMap<u32, CatalogEntry>,
    /// Segments pruned since the previous refresh, with messages that arrived after it, for
    /// followers to read.
    departed: BTreeMap<u32, CatalogEntry>,
    unreadable: BTreeMap<u32, Arc<SegmentError>>,
    /// Problems of segments that can be read.
    faults: Vec<Arc<SegmentError>>,
    /// Sealed segments used since the last refresh, the most recent last.
    open: Mutex<VecDeque<Arc<Segment>>>,
    pruned: Mutex<PrunedSegments>,
}

/// Segments that were pruned before they could be read.
#[derive(Debug, Default)]
struct PrunedSegments {
    /// Numbers of the segments that the last refresh, or a read since then, found to be pruned.
    numbers: HashSet<u32>,
    pruned_unread: PrunedUnread,
}

impl PrunedSegments {
    fn add(&mut self, number: u32, messages: u64) {
        if self.numbers.insert(number) {
            self.pruned_unread.segments += 1;
            self.pruned_unread.messages += messages;
        }
    }
}

#[derive(Debug)]
struct CatalogEntry {
    summary: SegmentSummary,
    /// Kept open if it is live.
    segment: Option<Arc<Segment>>,
    /// Results of scanning its content, if that was necessary.
    known: Option<KnownScan>,
}

impl Catalog {
    /// Opens a folder and refreshes it.
    pub(super) fn open(path: &Path, boot: BootId) -> io::Result<Catalog> {
        let mut catalog = Catalog {
            path: path.to_owned(),
            boot,
            entries: BTreeMap::new(),
            departed: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            faults: Vec::new(),
            open: Mutex::default(),
            pruned: Mutex::default(),
        };
        catalog.refresh()?;
        Ok(catalog)
    }

    /// Finds new segments, new messages and dropped segments. Costs a listing of the folder, one
    /// read per new segment and a few per live one. Closes all sealed segments.
    ///
    /// If segments are dropped before they can be opened, the folder is listed up to ten times.
    /// Segments that still could not be opened are counted in [`Catalog::pruned_unread`].
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        lock(&self.open).clear();
        lock(&self.pruned).numbers.clear();
        self.departed.clear();
        let mut pruned = Vec::new();
        for _ in 0..LISTINGS_MAX {
            pruned = self.list()?;
            if pruned.is_empty() {
                break;
            }
        }
        pruned.into_iter().for_each(|number| lock(&self.pruned).add(number, 0));
        self.read_flags()
    }

    /// Lists the folder and opens new segments. Returns the numbers of listed segments that were
    /// gone when they were to be opened.
    fn list(&mut self) -> io::Result<Vec<u32>> {
        let files = segment_files(&self.path)?;
        let present: HashSet<u32> = files.iter().map(|(number, _)| *number).collect();
        let departing = self.entries.keys().copied().filter(|number| !present.contains(number));
        for number in departing.collect::<Vec<_>>() {
            self.depart(number);
        }
        self.unreadable.clear();
        let mut pruned = Vec::new();
        // The newest first: sinkd drops the oldest, so there is no gap between the segments opened.
        for (number, path) in files.into_iter().rev() {
            let opening = match self.entries.get(&number) {
                Some(CatalogEntry { segment: Some(live), .. }) if !live.is_outdated() => {
                    Opening::Opened(live.clone())
                }
                Some(CatalogEntry { segment: None, .. }) => continue,
                _ => Opening::in_boot(&path, self.boot, None),
            };
            match opening {
                Opening::Opened(segment) => self.adopt(segment),
                Opening::Gone => pruned.push(number),
                Opening::Damaged(error) => drop(self.unreadable.insert(number, Arc::new(error))),
            }
        }
        // A spare has the name of a segment, but is not one; listing again would not help.
        pruned.retain(|number| !self.is_spare(*number));
        Ok(pruned)
    }

    fn is_spare(&self, number: u32) -> bool {
        layout::segment_path(&self.path, number).exists()
    }

    fn adopt(&mut self, segment: Arc<Segment>) {
        let summary = SegmentSummary::of(&segment);
        let number = summary.identity.number;
        let known = segment.known();
        let segment = segment.is_live().then_some(segment);
        self.entries.insert(number, CatalogEntry { summary, segment, known });
    }

    /// Handles a segment whose file no longer exists. If it is still open, messages that arrived
    /// since the last refresh can be read.
    fn depart(&mut self, number: u32) {
        let Some(mut entry) = self.entries.remove(&number) else { return };
        let Some(segment) = &entry.segment else { return };
        let published = segment.published();
        if published.slots > entry.summary.published.slots {
            entry.summary.published = published;
            self.departed.insert(number, entry);
        }
    }

    /// Reads the flags of all segments. Removal renames a complete file into place, so this reads
    /// either the old or the new state.
    fn read_flags(&mut self) -> io::Result<()> {
        let flagged = flagged(&self.path)?;
        let mut changed = Vec::new();
        self.faults.clear();
        for (number, entry) in &mut self.entries {
            let known = entry.known.as_ref();
            let fault = known.and_then(|known| known.fault(&entry.summary.path));
            self.faults.extend(fault.map(Arc::new));
            let flags = if flagged.contains(number) {
                flags::read(&self.path, (&entry.summary.identity).into())
            } else {
                Ok(Flags::default())
            };
            let flags = flags.unwrap_or_else(|file| {
                self.faults.push(Arc::new(SegmentError::Flags { file }));
                Flags::default()
            });
            if *entry.summary.flags != flags {
                entry.summary.flags = Arc::new(flags);
            }
            if entry.summary.totals.lost_messages > 0 && entry.summary.flags.watermark > 0 {
                changed.push(*number);
            }
        }
        for number in changed {
            let lost_below = self.lost_below(number).unwrap_or(0);
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.summary.lost_below = lost_below;
            }
        }
        Ok(())
    }

    /// Returns the number of lost messages below the watermark of a segment's flags. Costs a pass
    /// over its slots.
    fn lost_below(&self, number: u32) -> Option<u32> {
        let flags = &self.summary(number)?.flags;
        let segment = self.segment(number).ok()?;
        let slots = segment.slots(0..flags.watermark).flatten();
        let there = slots.filter(Slot::is_message).count() as u32;
        Some(flags.messages_below.saturating_sub(there))
    }

    /// Returns the path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the errors of segments that can't be read, ordered by number.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values().map(|error| &**error)
    }

    /// Returns all problems: of segments that can't be read, and of readable segments with damaged
    /// counts or flags.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Arc<SegmentError>> {
        self.unreadable.values().chain(&self.faults)
    }

    /// Returns the summary of a segment.
    pub(super) fn summary(&self, number: u32) -> Option<&SegmentSummary> {
        self.entries.get(&number).map(|entry| &entry.summary)
    }

    /// Returns every readable segment, ordered by number.
    pub(super) fn segments(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.entries.values().map(|entry| &entry.summary)
    }

    /// Returns whether this message was removed.
    pub(super) fn is_removed(&self, id: MessageId) -> bool {
        let entry = self.entries.get(&id.segment).or_else(|| self.departed.get(&id.segment));
        entry.is_some_and(|entry| entry.summary.flags.is_removed(id.slot))
    }

    /// Opens segment `number`, or returns it if it is already open. Costs at most one read of 8
    /// KiB.
    ///
    /// Errors: `Pruned`, the segment existed at the last refresh ([`Catalog::pruned_unread`] now
    /// counts it); `NoSuchMessage`, it did not exist; `Segment`, it can't be read.
    pub(super) fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        let missing = MessageId { segment: number, slot: 0 };
        let entry = self.entries.get(&number).or_else(|| self.departed.get(&number));
        let Some(entry) = entry else {
            if !self.unreadable.contains_key(&number) {
                return Err(ReadError::NoSuchMessage { id: missing });
            }
            // Opened again to get its error; it may have been repaired.
            let path = layout::segment_path(&self.path, number);
            return Ok(Arc::new(Segment::open_in(&path, self.boot)?));
        };
        if let Some(segment) = &entry.segment {
            return Ok(segment.clone());
        }
        let mut open = lock(&self.open);
        if let Some(at) = open.iter().position(|segment| segment.number() == number) {
            let segment = open.remove(at).expect("it was found there");
            open.push_back(segment.clone());
            return Ok(segment);
        }
        match Opening::in_boot(&entry.summary.path, self.boot, entry.known.clone()) {
            Opening::Opened(segment) => {
                if open.len() == OPEN_MAX {
                    open.pop_front();
                }
                open.push_back(segment.clone());
                Ok(segment)
            }
            Opening::Gone => {
                lock(&self.pruned).add(number, entry.summary.messages());
                Err(ReadError::Pruned { segment: number })
            }
            Opening::Damaged(error) => Err(error.into()),
        }
    }

    /// Returns the counts of segments that were pruned before they could be read, since the folder
    /// was opened or the counts were last reset.
    pub(super) fn pruned_unread(&self) -> PrunedUnread {
        lock(&self.pruned).pruned_unread
    }

    /// Returns what `pruned_unread` returns, and resets the counts.
    pub(super) fn take_pruned_unread(&self) -> PrunedUnread {
        std::mem::take(&mut lock(&self.pruned).pruned_unread)
    }

    /// Returns whether a segment was found to be pruned since the last refresh.
    pub(super) fn is_gone(&self, number: u32) -> bool {
        lock(&self.pruned).numbers.contains(&number)
    }

    /// Returns segments that no longer exist, but have messages that a follower has not read.
    pub(super) fn departed(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.departed.values().map(|entry| &entry.summary)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
