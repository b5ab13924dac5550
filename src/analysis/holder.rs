//! Which sinkd runs on a data folder.
use std::path::Path;

use rustix::process::{Pid, test_kill_process};

/// The sinkd that runs on the folder, as far as can be seen without touching its lock: the process
/// whose id is in it lives, and is a sinkd. One in another container is not seen.
pub fn holder(folder: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join("lock")).ok()?;
    let id: u32 = text.trim().parse().ok()?;
    let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
    // Refused means that it is there, and another user's.
    let lives = !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
    let name = std::fs::read_to_string(format!("/proc/{id}/comm"));
    (lives && name.is_ok_and(|name| name.starts_with("sinkd"))).then_some(id)
}
