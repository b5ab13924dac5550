//! One thread of another process, held and watched by ptrace(2).

/// Returns the id of the thread with that name (proc(5), comm); waits until the thread has named
/// itself.
pub fn thread_named(pid: u32, name: &str) -> i32 {
    super::until_some("a thread with that name", || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.map(|entry| entry.unwrap().path()).find_map(|path| {
            let is_named = std::fs::read_to_string(path.join("comm")).unwrap().trim() == name;
            is_named.then(|| path.file_name().unwrap().to_string_lossy().parse().unwrap())
        })
    })
}

/// Attaches to the thread and stops it.
pub fn hold(thread: i32) {
    // SAFETY: ptrace with integers only; none of our memory is written to.
    let seized =
        unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, 0, libc::PTRACE_O_TRACESYSGOOD) };
    assert_eq!(seized, 0, "{}", std::io::Error::last_os_error());
    stop(thread);
}

/// Stops a thread that was resumed.
pub fn stop(thread: i32) {
    // SAFETY: the kernel checks the thread, and no memory of ours is passed.
    unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0) };
    wait(thread);
}

/// Lets the thread run to the entry or exit of its next system call.
pub fn resume(thread: i32) {
    // SAFETY: the kernel checks the thread, and no memory of ours is passed.
    unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, 0, 0) };
}

fn wait(thread: i32) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is ours and lives through the call.
    let waited = unsafe { libc::waitpid(thread, &mut status, libc::__WALL) };
    assert_eq!(waited, thread, "{}", std::io::Error::last_os_error());
    status
}

/// Returns how the thread stopped, if it stopped since the last call.
pub fn stopped(thread: i32) -> Option<i32> {
    let mut status = 0;
    let flags = libc::__WALL | libc::WNOHANG;
    // SAFETY: `status` is ours and lives through the call.
    let waited = unsafe { libc::waitpid(thread, &mut status, flags) };
    assert!(waited >= 0, "{}", std::io::Error::last_os_error());
    (waited == thread && libc::WIFSTOPPED(status)).then_some(status)
}

/// Detaches from a stopped thread, which then continues.
pub fn detach(thread: i32) {
    // SAFETY: the kernel checks the thread, and no memory of ours is passed.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, thread, 0, 0) };
}
