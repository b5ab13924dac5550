//! The segments of a data folder: what was found at the last look, and which of them are open.
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::opening::{Opening, PassedOver};
use super::segment::KnownScan;
use super::summary::SegmentSummary;
use super::{ReadError, Segment, SegmentError};
use crate::log::files::flags::{self, Flags};
use crate::log::files::layout::{self, flagged, segment_files};
use crate::log::format::id::MessageId;
use crate::log::format::{BootId, Slot};

/// Sealed segments kept open at once: a folder of thousands must not use up the descriptors.
const OPEN_MAX: usize = 64;
/// Listings that one look takes at most: beside a ring that turns fast, files are gone when they
/// are to be opened.
const LISTINGS_MAX: usize = 10;

/// The segments of a data folder, as of the last look.
#[derive(Debug)]
pub(super) struct Catalog {
    path: PathBuf,
    boot: BootId,
    entries: BTreeMap<u32, CatalogEntry>,
    /// What was pruned since the look before, with messages that came since: a follower reads them.
    departed: BTreeMap<u32, CatalogEntry>,
    unreadable: BTreeMap<u32, SegmentError>,
    /// What is wrong with segments that can be read.
    faults: Vec<SegmentError>,
    /// Sealed segments used since the last look, the latest last.
    open: Mutex<VecDeque<Arc<Segment>>>,
    gone: Mutex<Gone>,
}

/// Segments that were pruned before they could be read.
#[derive(Debug, Default)]
struct Gone {
    /// Numbers of the segments that the last look found.
    numbers: HashSet<u32>,
    passed_over: PassedOver,
}

impl Gone {
    fn add(&mut self, number: u32, messages: u64) {
        if self.numbers.insert(number) {
            self.passed_over.segments += 1;
            self.passed_over.messages += messages;
        }
    }
}

#[derive(Debug)]
struct CatalogEntry {
    summary: SegmentSummary,
    /// Kept open, as it is live.
    segment: Option<Arc<Segment>>,
    /// What had to be computed of its content.
    known: Option<KnownScan>,
}

impl Catalog {
    /// Looks at a folder for the first time.
    pub(super) fn open(path: &Path, boot: BootId) -> io::Result<Catalog> {
        let mut catalog = Catalog {
            path: path.to_owned(),
            boot,
            entries: BTreeMap::new(),
            departed: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            faults: Vec::new(),
            open: Mutex::default(),
            gone: Mutex::default(),
        };
        catalog.refresh()?;
        Ok(catalog)
    }

    /// Looks again: new segments, new messages, dropped segments. Costs a listing of the folder,
    /// one read per new segment and a few per live one. No sealed segment stays open.
    ///
    /// Where segments go faster than they can be opened, the folder is listed up to ten times; what
    /// could not be opened even so is in [`Catalog::passed_over`].
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        lock(&self.open).clear();
        lock(&self.gone).numbers.clear();
        self.departed.clear();
        let mut gone = Vec::new();
        for _ in 0..LISTINGS_MAX {
            gone = self.list()?;
            if gone.is_empty() {
                break;
            }
        }
        gone.into_iter().for_each(|number| lock(&self.gone).add(number, 0));
        self.read_flags()
    }

    /// Lists the folder and opens what is new; returns what was gone by then.
    fn list(&mut self) -> io::Result<Vec<u32>> {
        let files = segment_files(&self.path)?;
        let present: HashSet<u32> = files.iter().map(|(number, _)| *number).collect();
        let departing = self.entries.keys().copied().filter(|number| !present.contains(number));
        for number in departing.collect::<Vec<_>>() {
            self.depart(number);
        }
        self.unreadable.clear();
        let mut gone = Vec::new();
        // From the newest on, so that what is seen of a worker's mail has no gap.
        for (number, path) in files.into_iter().rev() {
            let opening = match self.entries.get(&number) {
                Some(CatalogEntry { segment: Some(live), .. }) if !live.is_outdated() => {
                    Opening::Opened(live.clone())
                }
                Some(CatalogEntry { segment: None, .. }) => continue,
                _ => Opening::in_boot(&path, self.boot, None),
            };
            match opening {
                Opening::Opened(segment) => self.take_up(segment),
                Opening::Gone => gone.push(number),
                Opening::Damaged(error) => drop(self.unreadable.insert(number, error)),
            }
        }
        // A spare has the name of a segment but is not one, however often a reader looks.
        gone.retain(|number| !self.is_spare(*number));
        Ok(gone)
    }

    fn is_spare(&self, number: u32) -> bool {
        layout::segment_path(&self.path, number).exists()
    }

    fn take_up(&mut self, segment: Arc<Segment>) {
        let summary = SegmentSummary::of(&segment);
        let number = summary.identity.number;
        let known = segment.known();
        let segment = segment.is_live().then_some(segment);
        self.entries.insert(number, CatalogEntry { summary, segment, known });
    }

    /// The file is no longer there. Messages that came since the last look can still be read where
    /// it was kept open.
    fn depart(&mut self, number: u32) {
        let Some(mut entry) = self.entries.remove(&number) else { return };
        let Some(segment) = &entry.segment else { return };
        let published = segment.published();
        if published.slots > entry.summary.published.slots {
            entry.summary.published = published;
            self.departed.insert(number, entry);
        }
    }

    /// Removing renames a whole file into place: what is read is one state or the next.
    fn read_flags(&mut self) -> io::Result<()> {
        let flagged = flagged(&self.path)?;
        let mut changed = Vec::new();
        self.faults.clear();
        for (number, entry) in &mut self.entries {
            self.faults.extend(entry.known.as_ref().and_then(|k| k.fault(&entry.summary.path)));
            let flags = match flagged.contains(number) {
                true => flags::read(&self.path, (&entry.summary.identity).into()),
                false => Ok(Flags::default()),
            };
            let flags = flags.unwrap_or_else(|file| {
                self.faults.push(SegmentError::Flags { file });
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

    /// Lost messages below the watermark of a segment's flags. Costs a pass over its slots.
    fn lost_below(&self, number: u32) -> Option<u32> {
        let flags = &self.summary(number)?.flags;
        let segment = self.segment(number).ok()?;
        let slots = segment.slots(0..flags.watermark).flatten();
        let there = slots.filter(Slot::is_message).count() as u32;
        Some(flags.messages_below.saturating_sub(there))
    }

    /// The path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Segments that cannot be read, by number, and why.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values()
    }

    /// What is wrong: segments that cannot be read, and those that can, of which counts or flags
    /// are damaged.
    pub(super) fn faults(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values().chain(&self.faults)
    }

    /// What is known of a segment.
    pub(super) fn summary(&self, number: u32) -> Option<&SegmentSummary> {
        self.entries.get(&number).map(|entry| &entry.summary)
    }

    /// Every readable segment, by number.
    pub(super) fn segments(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.entries.values().map(|entry| &entry.summary)
    }

    /// Returns whether this message was removed.
    pub(super) fn is_removed(&self, id: MessageId) -> bool {
        let entry = self.entries.get(&id.segment).or_else(|| self.departed.get(&id.segment));
        entry.is_some_and(|entry| entry.summary.flags.is_removed(id.slot))
    }

    /// Opens segment `number`, or returns it if it is open already. Costs one read of 8 KiB at
    /// most.
    ///
    /// Errors: `Pruned`, it was there at the last look, and is now counted as passed over;
    /// `NoSuchMessage`, it was not; `Segment`, it can't be read.
    pub(super) fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        let missing = MessageId { segment: number, slot: 0 };
        let entry = self.entries.get(&number).or_else(|| self.departed.get(&number));
        let Some(entry) = entry else {
            return match self.unreadable.contains_key(&number) {
                // Asked again, for what is wrong with it; it may have been mended.
                true => {
                    let path = layout::segment_path(&self.path, number);
                    Ok(Arc::new(Segment::open_in(&path, self.boot)?))
                }
                false => Err(ReadError::NoSuchMessage { id: missing }),
            };
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
                lock(&self.gone).add(number, entry.summary.messages());
                Err(ReadError::Pruned { segment: number })
            }
            Opening::Damaged(error) => Err(error.into()),
        }
    }

    /// What was pruned under the eyes of a reader, since the folder was opened.
    pub(super) fn passed_over(&self) -> PassedOver {
        lock(&self.gone).passed_over
    }

    /// Begins to count anew, and returns what there was.
    pub(super) fn take_passed_over(&self) -> PassedOver {
        std::mem::take(&mut lock(&self.gone).passed_over)
    }

    /// Whether a segment was found to be pruned since the last look.
    pub(super) fn is_gone(&self, number: u32) -> bool {
        lock(&self.gone).numbers.contains(&number)
    }

    /// Segments that are no longer there, of which a follower has not seen all.
    pub(super) fn departed(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.departed.values().map(|entry| &entry.summary)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
