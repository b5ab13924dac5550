//! Provisioning's side of retention: what is over the bounds is dropped, or its file used again.
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock::ProcessClock;
use super::dropped::Dropped;
use super::error::is_no_space;
use super::flags::{self, Of};
use super::format::{PAGE_BYTES, Totals};
use super::layout;
use super::provision::{Provision, RETRY};
use super::retention::Sealed;

/// How often ages are looked at: a tenth of the age, within these.
const AGE_CHECK_MIN: Duration = Duration::from_millis(100);
const AGE_CHECK_MAX: Duration = Duration::from_secs(10);
/// A ring has at least so many segments per worker, so that it forgets in small pieces.
const RING_SEGMENTS_MIN: u64 = 8;
/// How often to look whether somebody has dropped segments beside us: one stat, and a listing if
/// the folder has changed. What they dropped takes space until then, because we map it.
const FOLDER_CHECK: Duration = Duration::from_secs(1);

/// What lies in the folder of segments.
#[derive(Debug, Default)]
struct Listing {
    segments: HashSet<u32>,
    flagged: HashSet<u32>,
}

impl Provision {
    /// The longest segment that suits the bound on bytes.
    pub(crate) fn segment_bytes_max(&self) -> u64 {
        let max = self.settings.segment_bytes_max;
        let Some(bytes) = self.settings.retention.bytes else {
            return max;
        };
        let share = bytes / (RING_SEGMENTS_MIN * self.workers_open());
        let whole = share / PAGE_BYTES * PAGE_BYTES;
        max.min(whole).max(self.settings.segment_bytes_first)
    }

    /// Drops what must go before a further segment of `bytes` is made; one of that length is not
    /// dropped, but given, to be used again.
    pub(crate) fn room_for(&mut self, bytes: u64) -> Option<u32> {
        let mut again = None;
        let (open, open_bytes) = self.open_segments();
        let (open, open_bytes) = (open + 1, open_bytes.saturating_add(bytes));
        if self.is_over(open, open_bytes) {
            self.look_at_folder();
        }
        while self.is_over(open, open_bytes) {
            let number = self.shelf.first_to_go()?;
            let path = layout::segment_path(&self.folder, number);
            let has_length = std::fs::metadata(path).is_ok_and(|m| m.len() == bytes);
            if again.is_none() && has_length {
                self.note_dropped(number);
                again = Some(number);
            } else {
                self.drop_segment(number);
            }
        }
        again
    }

    /// Must a sealed segment go? The newest stays in any case: a message that was just acknowledged
    /// is not dropped because it is larger than the ring.
    fn is_over(&self, open: u64, open_bytes: u64) -> bool {
        self.shelf.len() > 1 && self.shelf.is_over(&self.settings.retention, open, open_bytes)
    }

    /// Drops what is over the bounds now.
    pub(crate) fn enforce_retention(&mut self) {
        let (open, open_bytes) = self.open_segments();
        while self.is_over(open, open_bytes) {
            let Some(number) = self.shelf.first_to_go() else {
                return;
            };
            self.drop_segment(number);
        }
    }

    /// The disk is full: drops the segment that goes first, where anything may be dropped at all.
    pub(crate) fn drop_one(&mut self) -> bool {
        let first = self.shelf.first_to_go().filter(|_| self.settings.retention.is_on());
        first.inspect(|number| self.drop_segment(*number)).is_some()
    }

    /// Does `step`, and while the disk is too full for it drops the oldest and does it again, if
    /// all that may be dropped would make room for `bytes`: what does not fit anyway costs nothing.
    pub(crate) fn with_space<T>(
        &mut self,
        bytes: u64,
        mut step: impl FnMut(&mut Provision) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match step(self) {
                Err(e) if is_no_space(&e) && self.could_hold(bytes) && self.drop_one() => {}
                done => return done,
            }
        }
    }

    fn could_hold(&self, bytes: u64) -> bool {
        let left = self.settings.space.left(&self.folder).unwrap_or(0);
        let needed = bytes.saturating_add(self.reserve(self.settings.segment_bytes_first));
        left.saturating_add(self.shelf.disk_bytes()) >= needed
    }

    /// Drops what is too old; gives the time of the next look.
    ///
    /// An age is a difference of two times of the clock of this process: the system clock may be
    /// set, or the machine may sleep, and fresh mail stays fresh.
    pub(crate) fn enforce_age(&mut self) -> Option<Instant> {
        let age = self.settings.retention.age?;
        while let Some(number) = self.shelf.expired(age, ProcessClock::get().unix_ns()) {
            self.drop_segment(number);
        }
        Some(self.now + (age / 10).clamp(AGE_CHECK_MIN, AGE_CHECK_MAX))
    }

    /// Unlinks a sealed segment. Whoever reads it reads on.
    fn drop_segment(&mut self, number: u32) {
        self.note_dropped(number);
        drop(self.kept.take(number));
        self.unlink_segment(number);
        // Now a disk that was full has room for a line.
        if !self.owed.segments().is_empty() {
            self.settle(None);
        }
    }

    /// Looks at the folder if it has changed since the last time; gives the time of the next look.
    pub(crate) fn look_if_changed(&mut self) -> Option<Instant> {
        if !self.settings.retention.is_on() {
            return None;
        }
        let folder = layout::segments_folder(&self.folder);
        let changed = std::fs::metadata(folder).and_then(|m| m.modified()).ok();
        if changed != self.folder_changed {
            self.folder_changed = changed;
            self.look_at_folder();
        }
        Some(self.now + FOLDER_CHECK)
    }

    /// What others dropped weighs nothing any more, and we map it no longer: only then the disk
    /// has its space again. What was removed beside us goes first.
    fn look_at_folder(&mut self) {
        let Ok(listing) = Listing::of(&self.folder) else {
            return;
        };
        for number in self.shelf.numbers() {
            if !listing.segments.contains(&number) {
                self.shelf.take_out(number);
                drop(self.kept.take(number));
            }
        }
        let kept = self.shelf.kept().into_iter();
        for number in kept.filter(|number| listing.flagged.contains(number)) {
            let of = Of { store: self.store.state.id, number };
            let flags = flags::load(&self.folder, of);
            self.shelf.see_removed(number, flags.messages(), flags.only_counted);
        }
    }

    pub(crate) fn unlink_segment(&self, number: u32) {
        flags::forget(&self.folder, number);
        match std::fs::remove_file(layout::segment_path(&self.folder, number)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(segment = number, error = %e, "cannot drop a segment");
            }
            _ => {}
        }
    }

    /// Takes it off the shelf, and writes down what goes with it: before it goes, so that nothing
    /// is ever missing unaccounted for. Where that cannot be done at once it goes all the same,
    /// and is written down later.
    fn note_dropped(&mut self, number: u32) {
        let Some(sealed) = self.shelf.take_out(number) else {
            return;
        };
        let (dropped, path) =
            (sealed.as_dropped(number), layout::segment_path(&self.folder, number));
        let is_there = path.exists();
        if !self.settle(Some((&dropped, &path))) && is_there {
            self.owed.push(dropped);
        }
    }

    /// When to try again to note what could not be noted.
    pub(crate) fn owed_at(&self) -> Option<Instant> {
        self.owed.at
    }

    /// Notes what could not be noted before, if its time has come.
    pub(crate) fn settle_if_due(&mut self) {
        if self.owed.at.is_some_and(|at| at <= self.now) {
            self.settle(None);
        }
    }

    /// Notes what went before and `now`; `false`: not yet.
    pub(crate) fn settle(&mut self, now: Option<(&Dropped, &Path)>) -> bool {
        match self.events.note_pruned(self.owed.segments(), now) {
            Ok(true) => {
                self.owed.clear();
                return true;
            }
            Ok(false) => {}
            Err(e) => {
                if !std::mem::replace(&mut self.owed.has_failed, true) {
                    tracing::warn!(error = %e, "events.jsonl: what is dropped is noted later");
                }
            }
        }
        self.owed.at = Some(self.now + RETRY);
        false
    }

    /// The thread begins or ends: notes what an earlier one, or this one, could not. What is left
    /// after a moment is left to the next start.
    pub(crate) fn settle_rest(&mut self) {
        let sum = |all: &[Dropped]| all.iter().map(|one| one.segments).sum::<u64>();
        if self.owed.segments().is_empty() || self.settle(None) {
            return;
        }
        let segments = sum(self.owed.segments());
        tracing::warn!(segments, "dropped.jsonl says what was dropped and is to be noted");
    }

    /// A segment is sealed: from now on it may be dropped.
    pub(crate) fn shelve(&mut self, number: u32, sealed: Sealed) {
        self.open.remove(&number);
        self.shelf.put(number, sealed);
        self.enforce_retention();
    }
}

/// What the shelf has to know of a segment, of which `file` is the file.
pub(crate) fn sealed(file: &File, messages: u64, only_counted: u64, totals: &Totals) -> Sealed {
    Sealed {
        disk_bytes: file.metadata().map_or(0, |m| m.blocks() * 512),
        // Without a slot (messages were only counted) its end is now.
        last_received_at_ns: match totals.last_received_at_ns {
            0 => ProcessClock::get().unix_ns(),
            ns => ns,
        },
        messages,
        message_bytes: totals.message_bytes,
        only_counted,
        is_removed: false,
    }
}

impl Listing {
    /// Costs a listing of the folder.
    fn of(folder: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in std::fs::read_dir(layout::segments_folder(folder))? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            listing.segments.extend(layout::segment_number(name));
            let stem = name.strip_suffix(".flags");
            let flagged = stem.and_then(|stem| layout::segment_number(&format!("{stem}.seg")));
            listing.flagged.extend(flagged);
        }
        Ok(listing)
    }
}
