//! All segments of a data folder, for reading.
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::listing::{Listing, Span};
use super::{Damage, ReadError, Segment, SegmentError};
use crate::log::events::{self, Dropped};
use crate::log::flags::{self, Flags};
use crate::log::format::{BootId, Identity, Kind, Published, Slot, State, Totals};
use crate::log::id::MessageId;
use crate::log::recovery::{current_boot, flagged, segment_files};

/// Sealed segments kept open at once: a folder of thousands must not use up the descriptors.
const OPEN_MAX: usize = 64;

/// A data folder, open for reading. What it knows of the segments is as of the last `refresh`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    boot: BootId,
    entries: BTreeMap<u32, Entry>,
    unreadable: BTreeMap<u32, SegmentError>,
    /// Sealed segments used lately, the latest last.
    open: Mutex<VecDeque<Arc<Segment>>>,
}

/// What is known of one segment without opening it again.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its identity page.
    pub identity: Identity,
    /// Slots and messages.
    pub published: Published,
    /// Open, sealed or suspect.
    pub state: State,
    /// What sealing wrote down; of an open one, what is known so far (times only).
    pub totals: Totals,
    /// Slots that hold rejections.
    pub rejections: u64,
    /// Slots that hold notes.
    pub notes: u64,
    /// Messages that were only counted.
    pub only_counted: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// What of it was removed.
    pub(crate) flags: Arc<Flags>,
}

#[derive(Debug)]
struct Entry {
    summary: Summary,
    /// Kept open: it is live, or its content had to be worked out.
    segment: Option<Arc<Segment>>,
}

/// How far a follower has read: slots of each segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<u32, u32>);

impl Folder {
    /// Opens a data folder. Costs one read of 8 KiB per segment.
    ///
    /// Errors: there is no such folder, or it cannot be listed. Segments that cannot be read are no
    /// error: see [`Folder::unreadable`].
    pub fn open(path: &Path) -> io::Result<Folder> {
        Folder::open_in(path, current_boot())
    }

    /// The same, in a machine whose boot is `boot`: tests make a restart with it.
    #[doc(hidden)]
    pub fn open_in(path: &Path, boot: BootId) -> io::Result<Folder> {
        let (entries, unreadable) = (BTreeMap::new(), BTreeMap::new());
        let open = Mutex::new(VecDeque::new());
        let mut folder = Folder { path: path.to_owned(), boot, entries, unreadable, open };
        folder.refresh()?;
        Ok(folder)
    }

    /// Looks again: new segments, new messages, dropped segments. Costs a listing of the folder,
    /// one read per new segment and a few per live one.
    pub fn refresh(&mut self) -> io::Result<()> {
        let files = segment_files(&self.path)?;
        let flagged = flagged(&self.path)?;
        let present: HashSet<u32> = files.iter().map(|(number, _)| *number).collect();
        self.entries.retain(|number, _| present.contains(number));
        self.unreadable.clear();
        // From the newest on, so that what is seen of a worker's mail has no gap.
        for (number, path) in files.into_iter().rev() {
            let known = self.entries.get(&number);
            let segment = match known {
                Some(Entry { segment: None, .. }) => continue,
                Some(Entry { segment: Some(segment), .. }) => Ok(segment.clone()),
                None => Segment::open_in(&path, self.boot).map(Arc::new),
            };
            match segment {
                Ok(segment) => self.take_up(segment),
                Err(SegmentError::Spare { .. }) => {}
                // Dropped between the listing and the opening.
                Err(SegmentError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(e) => drop(self.unreadable.insert(number, e)),
            }
        }
        for (number, entry) in &mut self.entries {
            // Removing renames a whole file into place: what is read is one state or the next.
            let flags = match flagged.contains(number) {
                true => flags::load(&self.path, (&entry.summary.identity).into()),
                false => Flags::default(),
            };
            if *entry.summary.flags != flags {
                entry.summary.flags = Arc::new(flags);
            }
        }
        Ok(())
    }

    fn take_up(&mut self, segment: Arc<Segment>) {
        let summary = Summary::of(&segment);
        let must_stay = segment.is_live() || segment.found().is_some();
        let number = summary.identity.number;
        let segment = must_stay.then_some(segment);
        self.entries.insert(number, Entry { summary, segment });
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Segments that cannot be read, by number, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values()
    }

    /// What is known of a segment.
    pub(crate) fn summary(&self, number: u32) -> Option<&Summary> {
        self.entries.get(&number).map(|entry| &entry.summary)
    }

    /// Every readable segment, by number.
    pub fn segments(&self) -> impl Iterator<Item = &Summary> {
        self.entries.values().map(|entry| &entry.summary)
    }

    /// Messages in all segments, lost and removed ones left out. Costs an addition per segment.
    pub fn messages(&self) -> u64 {
        self.segments().map(|s| s.messages()).sum()
    }

    /// Messages that were accepted and only counted, removed ones left out.
    pub fn only_counted(&self) -> u64 {
        self.segments().map(|s| s.only_counted.saturating_sub(s.flags.only_counted)).sum()
    }

    /// Messages that were removed, and whose segment is still there.
    pub fn removed(&self) -> u64 {
        self.segments().map(Summary::removed).sum()
    }

    /// Was this message removed?
    pub fn is_removed(&self, id: MessageId) -> bool {
        self.entries.get(&id.segment).is_some_and(|e| e.summary.flags.is_removed(id.slot))
    }

    /// What was pruned from here so far. Costs one read of `events.jsonl`.
    pub fn pruned(&self) -> io::Result<Dropped> {
        events::pruned(&self.path)
    }

    /// Opens segment `number`, or gives it again. Costs one read of 8 KiB at most.
    pub fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        let missing = MessageId { segment: number, slot: 0 };
        let entry = self.entries.get(&number).ok_or(ReadError::NoSuchMessage { id: missing })?;
        if let Some(segment) = &entry.segment {
            return Ok(segment.clone());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|segment| segment.number() == number) {
            let segment = open.remove(at).expect("it was found there");
            open.push_back(segment.clone());
            return Ok(segment);
        }
        let segment = match Segment::open_in(&entry.summary.path, self.boot) {
            Ok(segment) => Arc::new(segment),
            Err(SegmentError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::NoSuchMessage { id: missing });
            }
            // Pruned, and its file is becoming another segment's.
            Err(SegmentError::Spare { .. }) => {
                return Err(ReadError::NoSuchMessage { id: missing });
            }
            Err(e) => return Err(e.into()),
        };
        if open.len() == OPEN_MAX {
            open.pop_front();
        }
        open.push_back(segment.clone());
        Ok(segment)
    }

    /// The slot of `id`, whatever its kind, and its segment. Costs two reads at most.
    pub fn find(&self, id: MessageId) -> Result<(Arc<Segment>, Slot), ReadError> {
        let no_such = |e| match e {
            ReadError::NoSuchMessage { .. } | ReadError::Damage(Damage::NoSuchSlot { .. }) => {
                ReadError::NoSuchMessage { id }
            }
            other => other,
        };
        let segment = self.segment(id.segment).map_err(no_such)?;
        let slot = segment.slot(id.slot).map_err(|e| no_such(e.into()))?;
        if slot.is_message() && self.is_removed(id) {
            return Err(ReadError::Removed { id });
        }
        Ok((segment, slot))
    }

    /// The newest message, in the order of a listing.
    pub fn latest(&self) -> Result<Option<Slot>, ReadError> {
        let listing = self.listing(Span::default())?;
        // Damaged ones are passed over: `latest` is something to read.
        let newest = listing.backward(0)?.find_map(Result::ok);
        Ok(newest)
    }

    /// All messages of `span`, in the order of their arrival. Costs little per segment; where
    /// `span` cuts through a segment, a binary search in it.
    pub fn listing(&self, span: Span) -> Result<Listing<'_>, ReadError> {
        Listing::new(self, span)
    }

    /// The messages that notes speak about (their 250 could not be sent). Costs a pass over the
    /// slots of those segments that hold notes.
    pub fn notes(&self) -> Result<HashSet<MessageId>, ReadError> {
        let mut noted = HashSet::new();
        let mut buf = Vec::new();
        for summary in self.segments().filter(|s| s.notes > 0) {
            let segment = self.segment(summary.identity.number)?;
            let slots = segment.slots(0..u32::MAX).flatten();
            for slot in slots.filter(|s| s.facts.kind == Kind::Note && !s.unknown) {
                if let Ok((_, payload)) = segment.record(&slot, &mut buf)
                    && let Ok(bytes) = payload.try_into()
                {
                    noted.insert(MessageId::from_bytes(bytes));
                }
            }
        }
        Ok(noted)
    }

    /// How far everything goes now: what a follower that starts here has seen.
    pub fn positions(&self) -> Positions {
        let slots = self.segments().map(|s| (s.identity.number, s.published.slots));
        Positions(slots.collect())
    }

    /// The slots that have come since `seen`, per segment. A long transfer may commit into a
    /// segment its worker has left, so every segment counts for itself.
    pub fn since(&self, seen: &Positions) -> Vec<(u32, Range<u32>)> {
        let new = self.segments().map(|s| {
            let number = s.identity.number;
            (number, seen.0.get(&number).copied().unwrap_or(0)..s.published.slots)
        });
        new.filter(|(_, range)| !range.is_empty()).collect()
    }
}

impl Summary {
    fn of(segment: &Segment) -> Summary {
        let mut published = segment.published();
        let totals = segment.totals().unwrap_or_else(|| {
            // While it is open, its first and last slots say the times.
            let time = |slot: Result<Slot, Damage>| slot.map_or(0, |s| s.facts.received_at_ns);
            let first_received_at_ns = time(segment.slot(0));
            let last_received_at_ns = time(segment.slot(published.slots.saturating_sub(1)));
            Totals { first_received_at_ns, last_received_at_ns, ..Totals::default() }
        });
        if segment.totals().is_some() {
            // Sealed meanwhile: only now the count is final, as the totals are.
            published = segment.published();
        }
        Summary {
            identity: *segment.identity(),
            published,
            state: segment.state(),
            totals,
            rejections: segment.rejections(),
            notes: segment.notes(),
            only_counted: segment.only_counted(),
            path: segment.path().to_owned(),
            flags: Arc::default(),
        }
    }

    /// Messages that can be read.
    pub fn messages(&self) -> u64 {
        let there = u64::from(self.published.messages.saturating_sub(self.totals.lost_messages));
        there.saturating_sub(self.flags.messages())
    }

    /// Messages that were removed, those included that were only counted.
    pub fn removed(&self) -> u64 {
        self.flags.messages() + self.flags.only_counted
    }

    /// Was all of it removed?
    pub fn is_removed(&self) -> bool {
        self.messages() == 0 && self.removed() > 0 && self.only_counted <= self.flags.only_counted
    }
}
