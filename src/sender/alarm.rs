//! Wakes the event loop at a moment, to the microsecond: its own time-outs are whole milliseconds.
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

    /// A timer whose end is an event of its token.
    #[derive(Debug)]
    pub struct Alarm(OwnedFd);

    impl Alarm {
        /// Registers it.
        pub fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Alarm(fd))
        }

        /// Sets an event after this time, in place of the previous one. No code reads the timer:
        /// events are edges, and setting it again clears unread events.
        pub fn set(&self, after: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            // 0 would be never.
            let after = after.max(Duration::from_nanos(1));
            let it_value = Timespec {
                tv_sec: after.as_secs() as i64,
                tv_nsec: i64::from(after.subsec_nanos()),
            };
            let spec = Itimerspec { it_interval: zero, it_value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            Ok(())
        }

        /// The longest that waiting for events may take, where the alarm can't end it.
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

    /// None here: the loop's own time-out has to do.
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

        /// The longest that waiting for events may take, where the alarm can't end it.
        pub fn bound(&self, after: Duration) -> Option<Duration> {
            Some(after)
        }
    }
}
