//! All segments of a data folder, for reading.
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::catalog::Catalog;
use super::follow::{NewMessages, Positions};
use super::listing::{Listing, Span};
use super::opening::PassedOver;
use super::summary::SegmentSummary;
use super::{Damage, ReadError, Segment, SegmentError};
use crate::log::files::boot::current_boot;
use crate::log::files::dropped::Dropped;
use crate::log::files::pruned;
use crate::log::format::id::MessageId;
use crate::log::format::{BootId, Slot, SlotKind};

/// A data folder, open for reading. What it knows of the segments is as of the last `refresh`.
#[derive(Debug)]
pub struct Folder {
    catalog: Catalog,
}

/// The newest message that can be read.
#[derive(Debug)]
pub struct Latest {
    /// The segment of the message, and its slot there; `None`: no message can be read.
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

impl Folder {
    /// Opens a data folder. Costs one read of 8 KiB per segment.
    ///
    /// Errors: there is no such folder, or it cannot be listed. Segments that cannot be read are no
    /// error: see [`Folder::unreadable`].
    pub fn open(path: &Path) -> io::Result<Folder> {
        Folder::open_in(path, current_boot())
    }

    /// Opens the folder as a machine does whose boot is `boot`: tests simulate a restart with it.
    #[doc(hidden)]
    pub fn open_in(path: &Path, boot: BootId) -> io::Result<Folder> {
        Ok(Folder { catalog: Catalog::open(path, boot)? })
    }

    /// Looks again: new segments, new messages, dropped segments. Costs a listing of the folder,
    /// one read per new segment and a few per live one. No sealed segment stays open.
    ///
    /// Where segments go faster than they can be opened, the folder is listed up to ten times; what
    /// could not be opened even so is in [`Folder::passed_over`].
    pub fn refresh(&mut self) -> io::Result<()> {
        self.catalog.refresh()
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.catalog.path()
    }

    /// Segments that cannot be read, by number, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.catalog.unreadable()
    }

    /// What is wrong: segments that cannot be read, and those that can, of which counts or flags
    /// are damaged.
    pub fn faults(&self) -> impl Iterator<Item = &SegmentError> {
        self.catalog.faults()
    }

    /// Every readable segment, by number.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.catalog.segments()
    }

    /// What is known of a segment.
    pub(crate) fn summary(&self, number: u32) -> Option<&SegmentSummary> {
        self.catalog.summary(number)
    }

    /// Opens segment `number`, or returns it again. Costs one read of 8 KiB at most.
    ///
    /// Errors: `Pruned`, it was there at the last look, and is now counted as passed over;
    /// `NoSuchMessage`, it was not; `Segment`, it can't be read.
    pub fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        self.catalog.segment(number)
    }

    /// What was pruned under the eyes of a reader, since the folder was opened.
    pub fn passed_over(&self) -> PassedOver {
        self.catalog.passed_over()
    }

    /// Begins to count anew, and returns what there was.
    pub fn take_passed_over(&self) -> PassedOver {
        self.catalog.take_passed_over()
    }

    /// Returns whether this message was removed.
    pub fn is_removed(&self, id: MessageId) -> bool {
        self.catalog.is_removed(id)
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
        self.segments().map(SegmentSummary::lost).sum()
    }

    /// Messages that were removed, and whose segment is still there.
    pub fn removed(&self) -> u64 {
        self.segments().map(SegmentSummary::removed).sum()
    }

    /// What was pruned from here so far: what `events.jsonl` says has gone, and is no longer here.
    /// Costs one read of that file.
    pub fn pruned(&self) -> io::Result<Dropped> {
        let mut sums = pruned::pruned_sums(self.path())?;
        // Killed between the line and the unlinking, or not there yet.
        self.segments().for_each(|summary| sums.take_back(&summary.as_dropped()));
        Ok(sums.total())
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
                let segment = self.segment(slot.id().segment)?;
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
        Listing::new(&self.catalog, span)
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
            // The listing reports damaged slots.
            let slots = segment.slots(0..u32::MAX).flatten();
            for slot in slots.filter(|s| s.facts().kind == SlotKind::Note && !s.is_unknown()) {
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

    /// How far everything goes now: what a follower that starts here has seen.
    pub fn positions(&self) -> Positions {
        let slots = self.segments().map(|s| (s.identity.number, s.published.slots));
        Positions(slots.collect())
    }

    /// The slots that have come since `seen`, per segment. A long transfer may commit into a
    /// segment its worker has left, so every segment counts for itself.
    pub fn since(&self, seen: &Positions) -> Vec<(u32, Range<u32>)> {
        let new = self.segments().chain(self.catalog.departed()).map(|s| {
            let number = s.identity.number;
            (number, seen.0.get(&number).copied().unwrap_or(0)..s.published.slots)
        });
        new.filter(|(_, range)| !range.is_empty()).collect()
    }

    /// Looks again, and returns the messages that have come since `seen`, which moves on. Until the
    /// next look they can be read, also where their segment was pruned, if it was still open at the
    /// look before; other segments that were pruned meanwhile are in [`Folder::passed_over`].
    ///
    /// Costs what [`Folder::refresh`] costs, and a read for 1024 new slots of a segment. Errors:
    /// the folder cannot be listed.
    pub fn follow(&mut self, seen: &mut Positions) -> io::Result<NewMessages> {
        self.refresh()?;
        let mut news = NewMessages::default();
        for (number, range) in self.since(seen) {
            let segment = match self.segment(number) {
                Ok(segment) => segment,
                Err(ReadError::Pruned { .. }) => continue,
                Err(error) => {
                    news.damage.push(error);
                    continue;
                }
            };
            for slot in segment.slots(range) {
                match slot {
                    Ok(slot) if slot.is_message() && !self.is_removed(slot.id()) => {
                        news.slots.push(slot);
                    }
                    Ok(_) => {}
                    Err(damage) => news.damage.push(damage.into()),
                }
            }
        }
        news.slots.sort_by_key(|slot| (slot.facts().received_at_ns, slot.id()));
        *seen = self.positions();
        Ok(news)
    }
}
