//! Provisioning's side of retention: what is over the bounds is dropped, or its file used again.
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use super::disk;
use super::events::{self, By};
use super::flags::{self, Of};
use super::format::Totals;
use super::provision::Provision;
use super::recovery::flagged;
use super::retention::Sealed;

/// How often ages are looked at: a tenth of the age, within these.
const AGE_CHECK_MIN: Duration = Duration::from_millis(100);
const AGE_CHECK_MAX: Duration = Duration::from_secs(10);
/// A ring has at least so many segments per worker, so that it forgets in small pieces.
const RING_SEGMENTS_MIN: u64 = 8;

impl Provision {
    /// The longest segment that suits the bound on bytes.
    pub(crate) fn segment_bytes_max(&self) -> u64 {
        let max = self.settings.segment_bytes_max;
        let Some(bytes) = self.settings.retention.bytes else {
            return max;
        };
        let share = bytes / (RING_SEGMENTS_MIN * self.workers_open());
        let whole = share / super::format::PAGE_BYTES * super::format::PAGE_BYTES;
        max.min(whole).max(self.settings.segment_bytes_first)
    }

    /// Drops what must go before a further segment of `bytes` is made; one of that length is not
    /// dropped, but given, to be used again.
    pub(crate) fn room_for(&mut self, bytes: u64) -> Option<u32> {
        let mut again = None;
        let (open, open_bytes) = self.open_segments();
        if self.is_over(open + 1, open_bytes + bytes) {
            self.see_removed();
        }
        while self.is_over(open + 1, open_bytes + bytes) {
            let number = self.shelf.first_to_go()?;
            let path = disk::segment_path(&self.folder, number);
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

    /// Drops what is too old; gives the time of the next look.
    pub(crate) fn enforce_age(&mut self) -> Option<Instant> {
        let age = self.settings.retention.age?;
        while let Some(number) = self.shelf.expired(age, events::now_ns()) {
            self.drop_segment(number);
        }
        Some(Instant::now() + (age / 10).clamp(AGE_CHECK_MIN, AGE_CHECK_MAX))
    }

    /// Unlinks a sealed segment. Whoever reads it reads on.
    fn drop_segment(&mut self, number: u32) {
        self.note_dropped(number);
        drop(self.kept.take(number));
        self.unlink_segment(number);
        // Now a disk that was full has room for a line.
        self.note_owed();
    }

    /// What was removed beside us goes first.
    fn see_removed(&mut self) {
        let Ok(flagged) = flagged(&self.folder) else {
            return;
        };
        for number in self.shelf.kept().into_iter().filter(|number| flagged.contains(number)) {
            let of = Of { store: self.store.state.id, number };
            let flags = flags::load(&self.folder, of);
            self.shelf.see_removed(number, flags.messages(), flags.only_counted);
        }
    }

    pub(crate) fn unlink_segment(&self, number: u32) {
        flags::forget(&self.folder, number);
        match std::fs::remove_file(disk::segment_path(&self.folder, number)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(segment = number, error = %e, "cannot drop a segment");
            }
            _ => {}
        }
    }

    /// Takes it off the shelf, and writes down what goes with it: before it goes, so that nothing
    /// is ever missing unaccounted for.
    fn note_dropped(&mut self, number: u32) {
        let Some(sealed) = self.shelf.take_out(number) else {
            return;
        };
        // If it is gone, `sinkctl prune` was here, and has said so.
        let is_there = || disk::segment_path(&self.folder, number).exists();
        let dropped = sealed.as_dropped(number);
        if let Err(e) = events::note_pruned_if(&self.folder, By::Sinkd, &dropped, is_there) {
            tracing::warn!(segment = number, error = %e, "what is dropped cannot be noted yet");
            match self.unnoted.last_mut() {
                Some(run) if run.last.checked_add(1) == Some(number) => run.add(&dropped),
                _ => self.unnoted.push(dropped),
            }
        }
    }

    /// Writes down what was dropped before and could not be noted. It costs nothing to say a thing
    /// twice: each segment counts once.
    fn note_owed(&mut self) {
        while let Some(dropped) = self.unnoted.last() {
            if events::note_pruned_if(&self.folder, By::Sinkd, dropped, || true).is_err() {
                return;
            }
            self.unnoted.pop();
        }
    }

    /// A segment is sealed: from now on it may be dropped.
    pub(crate) fn shelve(
        &mut self,
        number: u32,
        messages: u64,
        only_counted: u64,
        totals: &Totals,
    ) {
        self.note_owed();
        let path = disk::segment_path(&self.folder, number);
        let disk_bytes = std::fs::metadata(path).map_or(0, |m| m.blocks() * 512);
        let sealed = Sealed {
            disk_bytes,
            // Without a slot (messages were only counted) its end is now.
            last_received_at_ns: match totals.last_received_at_ns {
                0 => events::now_ns(),
                ns => ns,
            },
            messages,
            message_bytes: totals.message_bytes,
            only_counted,
            is_removed: false,
        };
        self.shelf.put(number, sealed);
        self.enforce_retention();
    }
}
