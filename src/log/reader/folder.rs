//! Reads all segments of a data folder.
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::catalog::Catalog;
use super::follow::{NewMessages, Positions};
use super::listing::Listing;
use super::opening::PrunedUnread;
use super::summary::SegmentSummary;
use super::{Damage, ReadError, Segment, SegmentError};
use crate::log::files::boot::current_boot;
use crate::log::files::dropped::Dropped;
use crate::log::files::pruned;
use crate::log::format::id::MessageId;
use crate::log::format::{BootId, Slot, SlotKind};
use crate::time::Span;

/// A data folder that is open for reading. Its knowledge of the segments is as of the last
/// `refresh`.
#[derive(Debug)]
pub struct Folder {
    catalog: Catalog,
}

/// The newest readable message.
#[derive(Debug)]
pub struct Latest {
    /// The message's segment and slot; `None`: no message can be read.
    pub newest: Option<(Arc<Segment>, Slot)>,
    /// Errors of newer messages, which can't be read.
    pub damage: Vec<ReadError>,
}

/// The messages that notes refer to.
#[derive(Debug, Default)]
pub struct Notes {
    /// Messages whose 250 could not be sent.
    pub of: HashSet<MessageId>,
    /// Errors of notes that can't be read.
    pub damage: Vec<ReadError>,
}

impl Folder {
    /// Opens a data folder. Costs one read of 8 KiB per segment.
    ///
    /// Errors: the folder does not exist, or can't be listed. Segments that can't be read are not
    /// an error: see [`Folder::unreadable`].
    pub fn open(path: &Path) -> io::Result<Folder> {
        Folder::open_in(path, current_boot())
    }

    /// Opens a data folder as if the machine's boot were `boot`, for tests that simulate a reboot.
    #[doc(hidden)]
    pub fn open_in(path: &Path, boot: BootId) -> io::Result<Folder> {
        Ok(Folder { catalog: Catalog::open(path, boot)? })
    }

    /// Finds new segments, new messages and dropped segments. Costs a listing of the folder, one
    /// read per new segment and a few per live one. Closes all sealed segments.
    ///
    /// If segments are dropped before they can be opened, the folder is listed up to ten times.
    /// Segments that still could not be opened are counted in [`Folder::pruned_unread`].
    pub fn refresh(&mut self) -> io::Result<()> {
        self.catalog.refresh()
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.catalog.path()
    }

    /// Returns the errors of segments that can't be read, ordered by number.
    pub fn unreadable(&self) -> impl Iterator<Item = &SegmentError> {
        self.catalog.unreadable()
    }

    /// Returns all problems: of segments that can't be read, and of readable segments with damaged
    /// counts or flags.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<SegmentError>> {
        self.catalog.faults()
    }

    /// Returns every readable segment, ordered by number.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentSummary> {
        self.catalog.segments()
    }

    /// Returns the summary of a segment.
    pub(crate) fn summary(&self, number: u32) -> Option<&SegmentSummary> {
        self.catalog.summary(number)
    }

    /// Opens segment `number`, or returns it if it is already open. Costs at most one read of 8
    /// KiB.
    ///
    /// Errors: `Pruned`, the segment existed at the last refresh ([`Folder::pruned_unread`] now
    /// counts it); `NoSuchMessage`, it did not exist; `Segment`, it can't be read.
    pub fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        self.catalog.segment(number)
    }

    /// Returns the counts of segments that were pruned before they could be read, since the folder
    /// was opened or the counts were last reset.
    pub fn pruned_unread(&self) -> PrunedUnread {
        self.catalog.pruned_unread()
    }

    /// Returns what `pruned_unread` returns, and resets the counts.
    pub fn take_pruned_unread(&self) -> PrunedUnread {
        self.catalog.take_pruned_unread()
    }

    /// Returns whether this message was removed.
    pub fn is_removed(&self, id: MessageId) -> bool {
        self.catalog.is_removed(id)
    }

    /// Returns the number of messages in all segments, without lost and removed ones. Costs an
    /// addition per segment.
    pub fn messages(&self) -> u64 {
        self.segments().map(|s| s.messages()).sum()
    }

    /// Returns the number of messages that were only counted, without removed ones.
    pub fn only_counted(&self) -> u64 {
        self.segments().map(|s| s.only_counted.saturating_sub(s.flags.only_counted)).sum()
    }

    /// Returns the number of messages lost in a crash, in segments that still exist.
    pub fn lost(&self) -> u64 {
        self.segments().map(SegmentSummary::lost).sum()
    }

    /// Returns the number of removed messages, in segments that still exist.
    pub fn removed(&self) -> u64 {
        self.segments().map(SegmentSummary::removed).sum()
    }

    /// Returns what was pruned from the folder so far: segments that `events.jsonl` or
    /// `dropped.jsonl` lists, and that no longer exist. Costs one read of each file.
    pub fn pruned(&self) -> io::Result<Dropped> {
        let mut sums = pruned::pruned_sums(self.path())?;
        // A listed segment may still exist: it is about to be deleted, or sinkd was killed before.
        self.segments().for_each(|summary| sums.subtract(&summary.as_dropped()));
        Ok(sums.total())
    }

    /// Returns the slot with `id`, whatever its kind, and its segment. Costs at most two reads.
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

    /// Returns the newest readable message, in the order of a listing, and the errors of newer
    /// ones. Costs reading the message, and those newer ones.
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

    /// Returns all messages in `span`, ordered by arrival. Costs little per segment, and a binary
    /// search in each segment that is partly in `span`.
    pub fn listing(&self, span: Span) -> Result<Listing<'_>, ReadError> {
        Listing::new(&self.catalog, span)
    }

    /// Returns the messages that notes refer to (their 250 could not be sent). Costs a pass over
    /// the slots of all segments with notes.
    pub fn notes(&self) -> Result<Notes, ReadError> {
        let mut notes = Notes::default();
        let mut buf = Vec::new();
        for summary in self.segments().filter(|s| s.notes > 0) {
            let segment = match self.segment(summary.identity.number) {
                Err(ReadError::Pruned { .. }) => continue,
                other => other?,
            };
            // Damaged slots are reported by the listing.
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

    /// Returns the current end of each segment, as the positions of a follower that starts now.
    pub fn positions(&self) -> Positions {
        let slots = self.segments().map(|s| (s.identity.number, s.published.slots));
        Positions(slots.collect())
    }

    /// Returns the slots that arrived after `seen`, by segment. A long transfer can commit to a
    /// segment that its worker has left, so each segment has its own position.
    pub fn since(&self, seen: &Positions) -> Vec<(u32, Range<u32>)> {
        let new = self.segments().chain(self.catalog.departed()).map(|s| {
            let number = s.identity.number;
            (number, seen.0.get(&number).copied().unwrap_or(0)..s.published.slots)
        });
        new.filter(|(_, range)| !range.is_empty()).collect()
    }

    /// Refreshes, and returns the messages that arrived after `seen`, which is updated. They can be
    /// read until the next refresh, even if their segment was pruned, provided that it was open at
    /// the previous refresh. Other pruned segments are counted in [`Folder::pruned_unread`].
    ///
    /// Costs a [`Folder::refresh`], and a read per 1024 new slots of a segment. Errors: the folder
    /// can't be listed.
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
