//! System calls besides those of sockets. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Returns the time of CLOCK_MONOTONIC, ns. Costs no system call (vdso(7)).
#[inline]
pub fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of this process, seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuSeconds {
    pub user: f64,
    pub system: f64,
}

/// Returns the CPU time that this process has used.
pub fn cpu_seconds() -> CpuSeconds {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` has room for the structure that getrusage(2) writes. If the call failed, the
    // structure would still be valid: its fields are integers, and all are 0.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    CpuSeconds { user: seconds(usage.ru_utime), system: seconds(usage.ru_stime) }
}

/// Raises the soft limit on descriptors to `needed` if it is lower, and the hard limit with it,
/// which only root may do.
pub fn raise_descriptor_limit(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })?)
}
