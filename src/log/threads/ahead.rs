//! How far ahead of its worker a segment's pages are populated.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::log::exchange::Window;
use crate::log::files::map::Mapping;
use crate::log::format::{PAGE_BYTES, RECORDS_AT};

/// A worker's window is what it writes in this time...
const WINDOW_TIME: Duration = Duration::from_millis(10);
/// The lower bound of the window: 0.2 ms of populating, four times what a connection may take in a
/// round.
const WINDOW_BYTES_MIN: u64 = 1 << 20;
/// The upper bound of the window: pages populated long before their use are written out and
/// protected again.
const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// The lower bound of the window for slots: 1024 of them.
const SLOTS_WINDOW_BYTES_MIN: u64 = 64 << 10;
/// The mark moves in steps, so that a worker that waits goes on before the window is complete.
const POPULATE_STEP_BYTES: u64 = 1 << 20;
/// A rate is measured over at least this time.
const RATE_TIME_MIN: Duration = Duration::from_millis(2);

/// The thread's half of a segment that has a worker, or waits for it.
pub(crate) struct SegmentAhead {
    pub bytes: u64,
    pub mapping: Arc<Mapping>,
    pub window: Arc<Window>,
    pub number: u32,
}

/// How fast a worker writes.
pub(crate) struct WriteRate {
    since: Instant,
    /// Fronts at `since`, or where the segment began.
    end: u64,
    slots: u64,
    /// Written since then to segments left in between.
    carried: u64,
    carried_slots: u64,
    pub window_bytes: u64,
    pub slots_window_bytes: u64,
}

impl SegmentAhead {
    /// Makes the first window present.
    pub(crate) fn populate_first(&self, rate: &WriteRate) -> std::io::Result<()> {
        self.mapping.populate_header()?;
        let slots = self.bytes.saturating_sub(rate.slots_window_bytes);
        self.populate(RECORDS_AT + rate.window_bytes, slots, rate, || ())
    }

    /// Whether all of it can be used.
    pub(crate) fn is_populated(&self) -> bool {
        self.mapping.usable().0 >= self.bytes
    }

    /// Moves the marks up to `wanted` and down to `wanted_slots`; `moved` is called at each step.
    pub(crate) fn populate(
        &self,
        wanted: u64,
        wanted_slots: u64,
        rate: &WriteRate,
        moved: impl Fn(),
    ) -> std::io::Result<()> {
        let (mut front, slots) = self.mapping.usable();
        let mut slots = slots.min(self.bytes);
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
            // The two windows have met: all of the file is populated.
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

    /// Sets the windows from how far the fronts moved since the last measurement.
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

    /// The fronts start anew in another segment: what was written to the old one still counts.
    pub(crate) fn rolled(&mut self, old: &SegmentAhead, new: &SegmentAhead) {
        let fronts = &old.window.fronts;
        self.carried += fronts.end.load(Relaxed).saturating_sub(self.end);
        self.carried_slots += self.slots.saturating_sub(fronts.slots.load(Relaxed));
        (self.end, self.slots) = (RECORDS_AT, new.bytes);
    }
}
