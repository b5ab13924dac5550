//! The clock of this process: Unix time that advances steadily from its first use.
//!
//! sinkd uses this clock for the times of messages and segments. So the difference of two such
//! times, such as an age, is the time that passed while the machine ran. Neither setting the system
//! clock nor a suspend changes an age.
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::monotonic::MonotonicNs;
use super::unix_ns::UnixNs;

/// The clock of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessClock {
    /// Monotonic time at the first use.
    pub base: Instant,
    /// The kernel's monotonic clock at the first use, in ns. Not a `MonotonicNs`, which counts from
    /// the first use.
    base_ns: u64,
    /// Unix time at the first use.
    pub unix_base: UnixNs,
}

impl ProcessClock {
    /// Returns the clock; the first call starts it. The first call reads three clocks, later ones
    /// only load a pointer.
    pub fn get() -> &'static ProcessClock {
        static CLOCK: OnceLock<ProcessClock> = OnceLock::new();
        CLOCK.get_or_init(|| {
            let (base, base_ns) = (Instant::now(), monotonic_ns());
            ProcessClock { base, base_ns, unix_base: system() }
        })
    }

    /// Returns the monotonic time.
    pub fn monotonic(&self) -> Instant {
        self.base + self.now_ns().since(MonotonicNs::START)
    }

    /// Returns the current point; the first use is the start. Event loops call this twice a round,
    /// so it avoids `Instant` with its checked sums, which saves 60 instructions.
    #[inline]
    pub fn now_ns(&self) -> MonotonicNs {
        MonotonicNs::new(monotonic_ns() - self.base_ns)
    }

    /// Returns Unix time by this clock. Never decreases.
    pub fn unix_ns(&self) -> UnixNs {
        self.unix_base.at(self.now_ns())
    }

    /// Returns how far the system clock is ahead of this one, in ns. The difference changes when
    /// the system clock is set, and while the machine sleeps.
    pub fn ahead_ns(&self) -> i64 {
        let (ours, theirs) = (i128::from(self.unix_ns().get()), i128::from(system().get()));
        let ahead = (theirs - ours).clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(ahead).expect("clamped above")
    }
}

/// Reads the monotonic clock, in ns.
#[inline]
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Reads the system clock. A time before 1970 counts as 1970.
fn system() -> UnixNs {
    UnixNs::of_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_one_clock_that_never_decreases() {
        let (one, other) = (ProcessClock::get(), ProcessClock::get());
        assert!(std::ptr::eq(one, other));
        let before = one.unix_ns();
        assert!(other.unix_ns() >= before);
        // Even a busy machine needs less than a minute between the two reads.
        assert!(one.ahead_ns().unsigned_abs() < 60_000_000_000);
    }
}
