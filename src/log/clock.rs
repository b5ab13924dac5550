//! The clock of this process: Unix time that runs on evenly from the moment of the first look.
//!
//! Everything sinkd writes down bears the time of this one clock, so an age, which is a difference
//! of two of its times, is the time that has passed while the machine ran. Setting the system clock
//! does not change an age, and neither does a suspend.
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Where this process began to count.
#[derive(Debug, Clone, Copy)]
pub struct ProcessClock {
    /// The monotonic clock then.
    pub base: Instant,
    /// The start in ns of the kernel's clock, to count from.
    base_ns: u64,
    /// Unix time then.
    pub unix_base: Duration,
}

impl ProcessClock {
    /// The one of this process; the first call starts it. Costs two clock reads then, and a load
    /// later.
    pub fn get() -> &'static ProcessClock {
        static CLOCK: OnceLock<ProcessClock> = OnceLock::new();
        CLOCK.get_or_init(|| {
            let (base, base_ns) = (Instant::now(), monotonic_ns());
            ProcessClock { base, base_ns, unix_base: system() }
        })
    }

    /// The monotonic clock now.
    pub fn monotonic(&self) -> Instant {
        self.base + self.elapsed()
    }

    /// Time since the first look.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns())
    }

    /// Time since the first look, in ns. Event loops ask twice a round, so this does without
    /// `Instant`, whose sums are checked: 60 instructions less.
    #[inline]
    pub fn elapsed_ns(&self) -> u64 {
        monotonic_ns() - self.base_ns
    }

    /// Unix time as this process counts it. Never falls.
    pub fn unix(&self) -> Duration {
        self.unix_base.saturating_add(self.elapsed())
    }

    /// Unix time as this process counts it, in ns, which hold times up to the year 2554.
    pub fn unix_ns(&self) -> u64 {
        u64::try_from(self.unix().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How far the system clock has moved away from this one, in ns: ahead is positive. It moves
    /// when it is set, and while the machine sleeps.
    pub fn ahead_ns(&self) -> i64 {
        let (ours, theirs) = (self.unix().as_nanos() as i128, system().as_nanos() as i128);
        let ahead = (theirs - ours).clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(ahead).expect("clamped above")
    }
}

/// What the monotonic clock says, ns.
#[inline]
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// What the system clock says. A clock before 1970 counts as 1970.
fn system() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_process_is_one_and_never_falls() {
        let (one, other) = (ProcessClock::get(), ProcessClock::get());
        assert!(std::ptr::eq(one, other));
        let before = one.unix_ns();
        assert!(other.unix_ns() >= before);
        // A minute is more than a busy machine takes between the two reads.
        assert!(one.ahead_ns().unsigned_abs() < 60_000_000_000);
    }
}
