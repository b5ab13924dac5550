//! All segments of a data folder, for reading.
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::listing::{Listing, Span};
use super::opening::{Opening, PassedOver};
use super::segment::Known;
use super::{Damage, ReadError, Segment, SegmentError};
use crate::log::boot::current_boot;
use crate::log::dropped::Dropped;
use crate::log::flags::{self, Flags};
use crate::log::format::{BootId, Identity, Kind, Published, Slot, State, Totals};
use crate::log::id::MessageId;
use crate::log::layout::{self, flagged, segment_files};
use crate::log::pruned;

/// Sealed segments kept open at once: a folder of thousands must not use up the descriptors.
const OPEN_MAX: usize = 64;
/// Listings that one look takes at most: beside a ring that turns fast, files are gone when they
/// are to be opened.
const LISTINGS_MAX: usize = 10;

/// A data folder, open for reading. What it knows of the segments is as of the last `refresh`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    boot: BootId,
    entries: BTreeMap<u32, Entry>,
    /// What was pruned since the look before, with messages that came since: a follower reads them.
    departed: BTreeMap<u32, Entry>,
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
    /// Of those that the last look found.
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

/// The newest message that can be read.
#[derive(Debug)]
pub struct Latest {
    /// Its segment, and where it lies in it; `None`: there is none.
    pub newest: Option<(Arc<Segment>, Slot)>,
    /// Newer ones that can't be read.
    pub damage: Vec<ReadError>,
}

/// The messages that notes speak about.
#[derive(Debug, Default)]
pub struct Notes {
    /// Their 250 could not be sent.
    pub of: HashSet<MessageId>,
    /// Notes that can't be read.
    pub damage: Vec<ReadError>,
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
    /// Lost messages below the watermark of the flags: nobody has removed these.
    lost_below: u32,
}

#[derive(Debug)]
struct Entry {
    summary: Summary,
    /// Kept open, as it is live.
    segment: Option<Arc<Segment>>,
    /// What had to be worked out of its content.
    known: Option<Known>,
}

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
        let mut folder = Folder {
            path: path.to_owned(),
            boot,
            entries: BTreeMap::new(),
            departed: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            faults: Vec::new(),
            open: Mutex::default(),
            gone: Mutex::default(),
        };
        folder.refresh()?;
        Ok(folder)
    }

    /// Looks again: new segments, new messages, dropped segments. Costs a listing of the folder,
    /// one read per new segment and a few per live one. No sealed segment stays open.
    ///
    /// Where segments go faster than they can be opened, the folder is listed up to ten times; what
    /// could not be opened even so is in [`Folder::passed_over`].
    pub fn refresh(&mut self) -> io::Result<()> {
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

    /// Lists the folder and opens what is new; gives what was gone by then.
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
                Some(Entry { segment: Some(live), .. }) if !live.is_outdated() => {
                    Opening::Opened(live.clone())
                }
                Some(Entry { segment: None, .. }) => continue,
                _ => Opening::in_boot(&path, self.boot, None),
            };
            match opening {
                Opening::Opened(segment) => self.take_up(segment),
                Opening::Gone => gone.push(number),
                Opening::Damaged(error) => drop(self.unreadable.insert(number, error)),
            }
        }
        // A spare has a name and is no segment, however often one looks.
        gone.retain(|number| !self.is_spare(*number));
        Ok(gone)
    }

    fn is_spare(&self, number: u32) -> bool {
        layout::segment_path(&self.path, number).exists()
    }

    fn take_up(&mut self, segment: Arc<Segment>) {
        let summary = Summary::of(&segment);
        let number = summary.identity.number;
        let known = segment.known();
        let segment = segment.is_live().then_some(segment);
        self.entries.insert(number, Entry { summary, segment, known });
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

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Segments that cannot be read, by number, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values()
    }

    /// What is wrong: segments that cannot be read, and those that can, of which counts or flags
    /// are damaged.
    pub fn faults(&self) -> impl Iterator<Item = &SegmentError> {
        self.unreadable.values().chain(&self.faults)
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

    /// Messages that were lost in a crash, and whose segment is still there.
    pub fn lost(&self) -> u64 {
        self.segments().map(Summary::lost).sum()
    }

    /// Messages that were removed, and whose segment is still there.
    pub fn removed(&self) -> u64 {
        self.segments().map(Summary::removed).sum()
    }

    /// Was this message removed?
    pub fn is_removed(&self, id: MessageId) -> bool {
        let entry = self.entries.get(&id.segment).or_else(|| self.departed.get(&id.segment));
        entry.is_some_and(|entry| entry.summary.flags.is_removed(id.slot))
    }

    /// What was pruned from here so far: what `events.jsonl` says has gone, and is no longer here.
    /// Costs one read of that file.
    pub fn pruned(&self) -> io::Result<Dropped> {
        let mut sums = pruned::pruned_sums(&self.path)?;
        // Killed between the line and the unlinking, or not there yet.
        self.segments().for_each(|summary| sums.take_back(&summary.as_dropped()));
        Ok(sums.total())
    }

    /// Opens segment `number`, or gives it again. Costs one read of 8 KiB at most.
    ///
    /// Errors: `Pruned`, it was there at the last look, and is now counted as passed over;
    /// `NoSuchMessage`, it was not; `Segment`, it can't be read.
    pub fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
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

    /// What was pruned under the eyes of whoever read here, since the folder was opened.
    pub fn passed_over(&self) -> PassedOver {
        lock(&self.gone).passed_over
    }

    /// Begins to count anew, and gives what there was.
    pub fn take_passed_over(&self) -> PassedOver {
        std::mem::take(&mut lock(&self.gone).passed_over)
    }

    /// Whether a segment was found to be pruned since the last look.
    pub(super) fn is_gone(&self, number: u32) -> bool {
        lock(&self.gone).numbers.contains(&number)
    }

    /// Segments that are no longer there, of which a follower has not seen all.
    pub(super) fn departed(&self) -> impl Iterator<Item = &Summary> {
        self.departed.values().map(|entry| &entry.summary)
    }

    /// The slot of `id`, whatever its kind, and its segment. Costs two reads at most.
    pub fn find(&self, id: MessageId) -> Result<(Arc<Segment>, Slot), ReadError> {
        let no_such = |e| match e {
            ReadError::NoSuchMessage { .. }
            | ReadError::Pruned { .. }
            | ReadError::Damage(Damage::NoSuchSlot { .. }) => ReadError::NoSuchMessage { id },
            other => other,
        };
        let segment = self.segment(id.segment).map_err(no_such)?;
        let slot = segment.slot(id.slot).map_err(|e| no_such(e.into()))?;
        if slot.is_message() && self.is_removed(id) {
            return Err(ReadError::Removed { id });
        }
        Ok((segment, slot))
    }

    /// The newest message that can be read, in the order of a listing, and newer ones that can't.
    /// Costs reading it.
    pub fn latest(&self) -> Result<Latest, ReadError> {
        let mut damage = Vec::new();
        for slot in self.listing(Span::default())?.backward(0)? {
            let read = slot.and_then(|slot| {
                let segment = self.segment(slot.id.segment)?;
                segment.check_record(&slot)?;
                Ok((segment, slot))
            });
            match read {
                Ok(newest) => return Ok(Latest { newest: Some(newest), damage }),
                Err(ReadError::Pruned { .. }) => {}
                Err(error) => damage.push(error),
            }
        }
        Ok(Latest { newest: None, damage })
    }

    /// All messages of `span`, in the order of their arrival. Costs little per segment; where
    /// `span` cuts through a segment, a binary search in it.
    pub fn listing(&self, span: Span) -> Result<Listing<'_>, ReadError> {
        Listing::new(self, span)
    }

    /// The messages that notes speak about (their 250 could not be sent). Costs a pass over the
    /// slots of those segments that hold notes.
    pub fn notes(&self) -> Result<Notes, ReadError> {
        let mut notes = Notes::default();
        let mut buf = Vec::new();
        for summary in self.segments().filter(|s| s.notes > 0) {
            let segment = match self.segment(summary.identity.number) {
                Err(ReadError::Pruned { .. }) => continue,
                other => other?,
            };
            // Slots that are damaged are told by the listing.
            let slots = segment.slots(0..u32::MAX).flatten();
            for slot in slots.filter(|s| s.facts.kind == Kind::Note && !s.unknown) {
                match segment.record(&slot, &mut buf) {
                    Ok((_, payload)) => {
                        let id = payload.try_into().map(MessageId::from_bytes);
                        notes.of.extend(id.ok());
                    }
                    Err(damage) => notes.damage.push(damage.into()),
                }
            }
        }
        Ok(notes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            lost_below: 0,
        }
    }

    /// Messages that can be read.
    pub fn messages(&self) -> u64 {
        let there = u64::from(self.published.messages.saturating_sub(self.totals.lost_messages));
        there.saturating_sub(self.removed_messages())
    }

    /// Messages that were lost in a crash, and not passed over by the watermark of its flags.
    pub fn lost(&self) -> u64 {
        u64::from(self.totals.lost_messages.saturating_sub(self.lost_below))
    }

    fn removed_messages(&self) -> u64 {
        self.flags.messages().saturating_sub(u64::from(self.lost_below))
    }

    /// Messages that were removed, those included that were only counted.
    pub fn removed(&self) -> u64 {
        self.removed_messages() + self.flags.only_counted
    }

    /// As a line of `events.jsonl` counts it when it is dropped.
    fn as_dropped(&self) -> Dropped {
        Dropped {
            segments: 1,
            messages: u64::from(self.published.messages),
            message_bytes: self.totals.message_bytes,
            only_counted: self.only_counted,
            first: self.identity.number,
            last: self.identity.number,
        }
    }

    /// Was all of it removed?
    pub fn is_removed(&self) -> bool {
        self.messages() == 0 && self.removed() > 0 && self.only_counted <= self.flags.only_counted
    }
}
