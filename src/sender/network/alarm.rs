//! Wakes the event loop at a precise time. The loop's own timeouts have a resolution of
//! milliseconds.
#[cfg(all(target_os = "linux", not(sinkd_portable)))]
pub use linux::Alarm;
#[cfg(any(sinkd_portable, not(target_os = "linux")))]
pub use portable::Alarm;

#[cfg(all(target_os = "linux", not(sinkd_portable)))]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A timer; its expiry is an event with its token.
    #[derive(Debug)]
    pub struct Alarm(OwnedFd);

    impl Alarm {
        /// Makes a timer and registers it.
        pub fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Alarm(fd))
        }

        /// Schedules an event after this duration, in place of any previous one. No code reads the
        /// timer: events are edge-triggered, and setting it again clears pending ones.
        pub fn set(&self, after: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            // A duration of 0 would disarm the timer.
            let after = after.max(Duration::from_nanos(1));
            let it_value = Timespec {
                tv_sec: after.as_secs() as i64,
                tv_nsec: i64::from(after.subsec_nanos()),
            };
            let spec = Itimerspec { it_interval: zero, it_value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            Ok(())
        }

        /// Returns the maximum time to wait for events, if the alarm can't end the wait.
        pub fn bound(&self, _: Duration) -> Option<Duration> {
            None
        }
    }
}

#[cfg(any(sinkd_portable, not(target_os = "linux")))]
mod portable {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// A stand-in for systems without such a timer: the loop's own timeout is used.
    #[derive(Debug)]
    pub struct Alarm;

    impl Alarm {
        /// Registers nothing.
        pub fn new(_: &Registry, _: Token) -> io::Result<Alarm> {
            Ok(Alarm)
        }

        /// Sets nothing.
        pub fn set(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        /// Returns the maximum time to wait for events, if the alarm can't end the wait.
        pub fn bound(&self, after: Duration) -> Option<Duration> {
            Some(after)
        }
    }
}
