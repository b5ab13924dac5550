//! Decides how far ahead of its worker a segment is populated.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::log::exchange::Window;
use crate::log::files::map::Mapping;
use crate::log::files::usable::Usable;
use crate::log::format::{PAGE_BYTES, RECORDS_AT};

/// The window is the amount that the worker writes in this time.
const WINDOW_TIME: Duration = Duration::from_millis(10);
/// Minimum size of the window: populating it takes 0.2 ms, and it is four times what a connection
/// may receive in a round.
const WINDOW_BYTES_MIN: u64 = 1 << 20;
/// Maximum size of the window: pages populated long before their use would be written to disk and
/// protected again.
const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// Minimum size of the window for slots: 1024 slots.
const SLOTS_WINDOW_BYTES_MIN: u64 = 64 << 10;
/// The mark moves in steps of this size, so that a waiting worker continues before the window is
/// complete.
const POPULATE_STEP_BYTES: u64 = 1 << 20;
/// Minimum time over which a rate is measured.
const RATE_TIME_MIN: Duration = Duration::from_millis(2);

/// Provisioning's view of a segment that a worker uses or will use.
pub(crate) struct SegmentAhead {
    pub bytes: u64,
    pub mapping: Arc<Mapping>,
    pub window: Arc<Window>,
    pub number: u32,
}

/// How fast a worker writes.
pub(crate) struct WriteRate {
    since: Instant,
    /// Fronts at `since`, or at the beginning of the segment.
    end: u64,
    slots: u64,
    /// Octets written since then to segments left in between.
    carried: u64,
    carried_slots: u64,
    pub window_bytes: u64,
    pub slots_window_bytes: u64,
}

impl SegmentAhead {
    /// Populates the first window.
    pub(crate) fn populate_first(&self, rate: &WriteRate) -> std::io::Result<()> {
        self.mapping.populate_header()?;
        let slots = self.bytes.saturating_sub(rate.slots_window_bytes);
        self.populate(RECORDS_AT + rate.window_bytes, slots, rate, || ())
    }

    /// Returns whether the whole segment is usable.
    pub(crate) fn is_populated(&self) -> bool {
        self.mapping.usable().front >= self.bytes
    }

    /// Moves the marks up to `wanted` and down to `wanted_slots`, and calls `moved` at each step.
    pub(crate) fn populate(
        &self,
        wanted: u64,
        wanted_slots: u64,
        rate: &WriteRate,
        moved: impl Fn(),
    ) -> std::io::Result<()> {
        let Usable { mut front, back: mut slots } = self.mapping.usable();
        if front >= self.bytes {
            return Ok(());
        }
        self.window.ahead.window_bytes.store(rate.window_bytes, Relaxed);
        self.window.ahead.slots_window_bytes.store(rate.slots_window_bytes, Relaxed);
        let wanted_slots = wanted_slots / PAGE_BYTES * PAGE_BYTES;
        if wanted_slots < slots {
            slots = wanted_slots.max(front);
            self.mapping.populate_back(slots)?;
            moved();
        }
        while front < wanted.min(slots) {
            let to = (front + POPULATE_STEP_BYTES).min(slots).min(wanted);
            front = to.next_multiple_of(PAGE_BYTES);
            self.mapping.populate_front(front)?;
            moved();
        }
        if front >= slots {
            // The two windows have met, so the whole file is populated.
            self.mapping.use_all();
            moved();
        }
        Ok(())
    }
}

impl WriteRate {
    pub(crate) fn new(now: Instant) -> WriteRate {
        WriteRate {
            since: now,
            end: RECORDS_AT,
            slots: 0,
            carried: 0,
            carried_slots: 0,
            window_bytes: WINDOW_BYTES_MIN,
            slots_window_bytes: SLOTS_WINDOW_BYTES_MIN,
        }
    }

    /// Sets the windows, based on how far the fronts moved since the last measurement.
    pub(crate) fn measure(&mut self, end: u64, slots: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < RATE_TIME_MIN {
            return;
        }
        let window = |bytes: u64, least: u64| {
            let bytes = u128::from(bytes) * WINDOW_TIME.as_nanos() / elapsed.as_nanos();
            (bytes as u64).clamp(least, WINDOW_BYTES_MAX)
        };
        let written = self.carried + end.saturating_sub(self.end);
        let slots_written = self.carried_slots + self.slots.saturating_sub(slots);
        self.window_bytes = window(written, WINDOW_BYTES_MIN);
        self.slots_window_bytes = window(slots_written, SLOTS_WINDOW_BYTES_MIN);
        (self.since, self.end, self.slots) = (now, end, slots);
        (self.carried, self.carried_slots) = (0, 0);
    }

    /// Continues in another segment, whose fronts start over; what was written to the old segment
    /// still counts.
    pub(crate) fn rolled(&mut self, old: &SegmentAhead, new: &SegmentAhead) {
        let fronts = &old.window.fronts;
        self.carried += fronts.end.load(Relaxed).saturating_sub(self.end);
        self.carried_slots += self.slots.saturating_sub(fronts.slots.load(Relaxed));
        (self.end, self.slots) = (RECORDS_AT, new.bytes);
    }
}
