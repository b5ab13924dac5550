//! System calls besides those of sockets. Of loadgen and dropper, the only file with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags};
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

/// Raises the soft limit on descriptors to `wanted`, or to the hard limit if that is lower and
/// can't be raised.
pub fn raise_descriptor_limit_towards(wanted: u64) {
    if raise_descriptor_limit(wanted).is_err() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // The limit stays as it is if even that fails: accepting reports what is missing.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_stop(_: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

/// Returns a flag that SIGTERM and SIGINT set from now on. They also interrupt a wait for events.
pub fn stop_on_signals() -> &'static AtomicBool {
    let handler: extern "C" fn(libc::c_int) = on_stop;
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: `on_stop` only stores into an atomic, which a signal handler may do. An action of
        // zeros is valid: no flags and an empty mask. The kernel only reads it during the call.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
    &STOP
}

/// The octets of a file, mapped and shared with it; unmapped when dropped.
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and has one owner.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the first `bytes` of `file`, which is as long as that or longer and has just been
    /// created by the caller, so that no other process writes to it or makes it shorter.
    pub fn new(file: &File, bytes: usize) -> io::Result<Mapping> {
        // SAFETY: the kernel chooses the address, so that no memory in use is replaced.
        let start = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            rustix::mm::mmap(std::ptr::null_mut(), bytes, access, MapFlags::SHARED, file, 0)?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Mapping { start, bytes })
    }

    /// Makes all pages present and writable, so that writing takes no page faults. Costs about 0.1
    /// ms for each MiB.
    pub fn populate(&mut self) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: these are the pages of this mapping, and the advice doesn't change their content.
        unsafe { Ok(rustix::mm::madvise(start, self.bytes, Advice::LinuxPopulateWrite)?) }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    #[inline]
    pub fn octets(&mut self) -> &mut [u8] {
        // SAFETY: `new` mapped this range to be read and written, and `drop` unmaps it. It is this
        // mapping's alone: the caller of `new` vouches that no other process changes the file, and
        // `&mut self` that no other slice of it is alive. Every octet of a file has a value.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this range, and slices of it borrow the mapping, which ends here.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_reads_and_writes_its_file() {
        let path = std::env::temp_dir().join(format!("sinkd-bench-{}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.expect("a file in the temporary folder");
        file.set_len(8192).expect("room for 8 KiB");
        let mut mapping = Mapping::new(&file, 8192).expect("a mapping");
        mapping.populate().expect("room in memory");
        mapping.octets()[4095..4099].copy_from_slice(b"MAIL");
        drop(mapping);
        let content = std::fs::read(&path).expect("the same file");
        std::fs::remove_file(&path).expect("the same file");
        assert_eq!((content.len(), &content[4095..4099]), (8192, &b"MAIL"[..]));
    }
}
