//! Finds the sinkd that runs on a data folder.
use std::path::Path;

use rustix::process::{Pid, test_kill_process};

/// Returns the process id of the sinkd that runs on the folder, without touching its lock: the
/// process named in the lock file, if it exists and is a sinkd. Processes in other containers are
/// not visible.
pub fn holder(folder: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join("lock")).ok()?;
    let id: u32 = text.trim().parse().ok()?;
    let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
    // An error other than "no such process" means that the process exists but belongs to another
    // user.
    let lives = !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
    let name = std::fs::read_to_string(format!("/proc/{id}/comm"));
    (lives && name.is_ok_and(|name| name.starts_with("sinkd"))).then_some(id)
}
