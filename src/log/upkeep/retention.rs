//! Retention: the sealed segments of a folder, and the order in which they are dropped.
//!
//! This module knows only numbers, sizes and times; provisioning drops the files, or recycles them
//! (`log/threads/recycle.rs`).
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::sealed::Sealed;
use crate::time::UnixNs;

/// The limits of retention. All of them apply; `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Maximum disk space of all segments. Open ones count, but are never dropped.
    pub bytes: Option<u64>,
    /// Maximum time since a segment's last message.
    pub age: Option<Duration>,
    /// Maximum number of segments.
    pub segments: Option<u64>,
}

impl Retention {
    /// Returns whether retention has any limit.
    pub fn is_on(&self) -> bool {
        *self != Retention::default()
    }

    /// Returns whether retention drops segments by size or number, so that their files can be
    /// recycled.
    pub(crate) fn is_ring(&self) -> bool {
        self.bytes.is_some() || self.segments.is_some()
    }
}

/// The sealed segments of a folder.
#[derive(Debug, Default)]
pub(crate) struct SealedSegments {
    /// The segments, by number.
    sealed: BTreeMap<u32, Sealed>,
    /// The time of each segment's last message, with its number.
    by_age: BTreeSet<(UnixNs, u32)>,
    disk_bytes: u64,
}

impl SealedSegments {
    pub(crate) fn insert(&mut self, number: u32, sealed: Sealed) {
        self.remove(number);
        self.disk_bytes += sealed.disk_bytes;
        self.by_age.insert((sealed.last_received_at_ns, number));
        self.sealed.insert(number, sealed);
    }

    /// Removes a segment that is gone, or about to be deleted.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Sealed> {
        let sealed = self.sealed.remove(&number)?;
        self.disk_bytes -= sealed.disk_bytes;
        self.by_age.remove(&(sealed.last_received_at_ns, number));
        Some(sealed)
    }

    /// Returns the total disk space of the segments.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Sets times after `now_ns` to `now_ns`. They are from a clock that has been set back since;
    /// the age of such a segment counts from now.
    pub(crate) fn clamp_times(&mut self, now_ns: UnixNs) {
        let later: Vec<(UnixNs, u32)> = self.by_age.range((now_ns, u32::MAX)..).copied().collect();
        for (_, number) in later {
            self.change_date(number, |_| now_ns);
        }
    }

    /// Adds `ahead_ns` to the times of a segment, because the clock that set them was slow by that
    /// much.
    pub(crate) fn correct_clock(&mut self, number: u32, ahead_ns: i64) {
        self.change_date(number, |at_ns| at_ns.saturating_add_signed_ns(ahead_ns));
    }

    fn change_date(&mut self, number: u32, date: impl FnOnce(UnixNs) -> UnixNs) {
        if let Some(sealed) = self.remove(number) {
            let last_received_at_ns = date(sealed.last_received_at_ns);
            self.insert(number, Sealed { last_received_at_ns, ..sealed });
        }
    }

    /// Returns the numbers of all segments.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.sealed.keys().copied().collect()
    }

    /// Returns the number of segments.
    pub(crate) fn len(&self) -> usize {
        self.sealed.len()
    }

    /// Returns the segment to drop next: one from which all messages were removed, else the one
    /// whose last message is the oldest. That is not always the lowest number, because a large
    /// message gets its number when it begins to arrive.
    pub(crate) fn next_to_drop(&self) -> Option<u32> {
        self.removed().or_else(|| self.by_age.first().map(|(_, number)| *number))
    }

    /// Returns whether a segment must be dropped so that the limits hold with `open` other segments
    /// of `open_bytes` in total.
    pub(crate) fn exceeds_limits(&self, retention: &Retention, open: u64, open_bytes: u64) -> bool {
        let count = self.sealed.len() as u64;
        let bytes = self.disk_bytes.saturating_add(open_bytes);
        !self.sealed.is_empty()
            && (retention.bytes.is_some_and(|max| bytes > max)
                || retention.segments.is_some_and(|max| count + open > max))
    }

    /// Returns a segment whose last message is older than `age`. `now_ns` must be from the clock
    /// that set its times, or a later one. A clock that was set back makes no segment old.
    pub(crate) fn expired(&self, age: Duration, now_ns: UnixNs) -> Option<u32> {
        let (last_at_ns, number) = *self.by_age.first()?;
        (now_ns.since(last_at_ns) > age).then_some(number)
    }

    /// Returns the numbers of segments from which not all messages are known to be removed.
    pub(crate) fn kept(&self) -> Vec<u32> {
        let kept = self.sealed.iter().filter(|(_, sealed)| !sealed.is_removed);
        kept.map(|(number, _)| *number).collect()
    }

    /// Records how many messages of a segment were removed: `messages` with a slot, and
    /// `only_counted` without one.
    pub(crate) fn count_removed(&mut self, number: u32, messages: u64, only_counted: u64) {
        if let Some(sealed) = self.sealed.get_mut(&number) {
            sealed.is_removed = messages >= sealed.messages && only_counted >= sealed.only_counted;
        }
    }

    /// Returns a segment from which all messages were removed.
    pub(crate) fn removed(&self) -> Option<u32> {
        let removed = self.sealed.iter().find(|(_, sealed)| sealed.is_removed);
        removed.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(disk_bytes: u64, last_s: u64) -> Sealed {
        Sealed {
            disk_bytes,
            last_received_at_ns: UnixNs::of_second(last_s),
            messages: 1,
            message_bytes: 1,
            only_counted: 0,
            is_removed: false,
        }
    }

    #[test]
    fn the_oldest_segment_is_dropped_first_unless_one_is_empty() {
        let mut sealed_segments = SealedSegments::default();
        (1..5).for_each(|n| sealed_segments.insert(n, sealed(100, u64::from(n))));
        assert_eq!(sealed_segments.next_to_drop(), Some(1));
        sealed_segments.count_removed(2, 0, 0);
        sealed_segments.count_removed(3, 1, 0);
        assert_eq!(sealed_segments.next_to_drop(), Some(3));
        sealed_segments.remove(3);
        // The number of this segment is old, but its mail is new.
        sealed_segments.insert(0, sealed(0, 9));
        assert_eq!(sealed_segments.next_to_drop(), Some(1));
        sealed_segments.remove(0);
        let bytes = Retention { bytes: Some(350), ..Retention::default() };
        assert!(
            !sealed_segments.exceeds_limits(&bytes, 1, 50)
                && sealed_segments.exceeds_limits(&bytes, 1, 51)
        );
        let count = Retention { segments: Some(4), ..Retention::default() };
        assert!(
            !sealed_segments.exceeds_limits(&count, 1, 0)
                && sealed_segments.exceeds_limits(&count, 2, 0)
        );
        assert!(!sealed_segments.exceeds_limits(&Retention::default(), 99, u64::MAX / 2));
    }

    #[test]
    fn age_counts_from_the_last_message_even_if_clocks_are_set_back() {
        let mut sealed_segments = SealedSegments::default();
        sealed_segments.insert(1, sealed(1, 100));
        let (age, s) = (Duration::from_secs(10), UnixNs::of_second);
        assert_eq!(sealed_segments.expired(age, s(110)), None);
        assert_eq!(sealed_segments.expired(age, s(110).saturating_add_ns(1)), Some(1));
        assert_eq!(sealed_segments.expired(age, s(5)), None);
        // If the clock was set back, the age of mail dated before counts from the start.
        sealed_segments.clamp_times(s(20));
        assert_eq!(sealed_segments.expired(age, s(30)), None);
        assert_eq!(sealed_segments.expired(age, s(30).saturating_add_ns(1)), Some(1));
    }
}
