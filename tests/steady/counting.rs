//! Counts the allocations of one thread of this process, and the octets that it copies.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::common::trace::thread_named;

/// Number of allocations of the thread [`COUNTED`]. Other threads are not counted: provisioning and
/// the statistics run once a second, so their allocations depend on the speed of the machine.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Octets copied by that thread, in copies of [`COPY_BYTES_MIN`] octets and more.
static COPIED: AtomicU64 = AtomicU64::new(0);
/// Id of the counted thread, or 0 for none.
static COUNTED: AtomicI32 = AtomicI32::new(0);
/// Shorter copies are values being moved, commands or replies.
const COPY_BYTES_MIN: usize = 512;

/// Held while a server runs in this process, as the counted thread is found by its name.
static ONLY_SERVER: Mutex<()> = Mutex::new(());

/// The counts of a thread.
pub struct Counts {
    pub allocations: u64,
    pub copied: u64,
}

/// Permission to run a server in this process.
pub struct OnlyServer {
    _lock: MutexGuard<'static, ()>,
}

impl OnlyServer {
    pub fn lock() -> OnlyServer {
        OnlyServer { _lock: ONLY_SERVER.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Counts what the only worker does during `load`.
    pub fn count(&self, load: impl FnOnce()) -> Counts {
        ALLOCATIONS.store(0, Ordering::Relaxed);
        COPIED.store(0, Ordering::Relaxed);
        COUNTED.store(thread_named(std::process::id(), "worker-0"), Ordering::Relaxed);
        load();
        COUNTED.store(0, Ordering::Relaxed);
        Counts {
            allocations: ALLOCATIONS.load(Ordering::Relaxed),
            copied: COPIED.load(Ordering::Relaxed),
        }
    }
}

fn is_counted() -> bool {
    let counted = COUNTED.load(Ordering::Relaxed);
    // SAFETY: gettid(2) has no arguments and returns an integer.
    counted != 0 && counted == unsafe { libc::gettid() }
}

struct Counting;

// SAFETY: hands every call on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_counted() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's obligations are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`, which is the same
        // here.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Replaces the C library's function for the whole program: Rust and AWS-LC copy with these.
#[cfg(target_arch = "x86_64")]
mod copies {
    use super::*;
    use std::arch::asm;

    fn note(octets: usize) {
        if octets >= COPY_BYTES_MIN && is_counted() {
            COPIED.fetch_add(octets as u64, Ordering::Relaxed);
        }
    }

    // SAFETY: has the name and the contract of the C library's function.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, octets: usize) -> *mut u8 {
        note(octets);
        // SAFETY: the caller owns `octets` at both places. A loop in Rust would become a call of
        // this function.
        unsafe { forward(to, from, octets) };
        to
    }

    // SAFETY: has the name and the contract of the C library's function.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, octets: usize) -> *mut u8 {
        note(octets);
        let is_behind = (to as usize).wrapping_sub(from as usize) < octets;
        if is_behind {
            // SAFETY: the caller owns `octets` at both places, and each is read before it is
            // written over.
            unsafe { backward(to, from, octets) }
        } else {
            // SAFETY: the same.
            unsafe { forward(to, from, octets) }
        }
        to
    }

    /// Copies from the first octet to the last.
    unsafe fn forward(to: *mut u8, from: *const u8, octets: usize) {
        // SAFETY: see the callers; the direction flag is clear between functions.
        unsafe {
            asm!("rep movsb", inout("rcx") octets => _, inout("rdi") to => _,
                inout("rsi") from => _, options(nostack, preserves_flags));
        }
    }

    /// Copies from the last octet, of at least one, to the first.
    unsafe fn backward(to: *mut u8, from: *const u8, octets: usize) {
        let last = octets.wrapping_sub(1);
        // SAFETY: see the callers; the direction flag is clear again afterwards.
        unsafe {
            asm!("std", "rep movsb", "cld", inout("rcx") octets => _,
                inout("rdi") to.wrapping_add(last) => _,
                inout("rsi") from.wrapping_add(last) => _, options(nostack));
        }
    }
}
