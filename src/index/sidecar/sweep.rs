//! Deletes sidecars whose segments no longer exist.
use std::io;
use std::path::Path;

use super::paths;

/// Deletes the sidecars of segments that are not in `there` (ascending): retention deletes only the
/// segments. Their numbers are never reused, so a sidecar that is deleted late does no harm.
pub fn sweep(data: &Path, there: &[u32]) -> io::Result<()> {
    for number in paths::numbers(data)? {
        // Newer segments may have begun since `there` was listed.
        let is_old = there.last().is_some_and(|newest| number <= *newest);
        if is_old && there.binary_search(&number).is_err() {
            match std::fs::remove_file(paths::path(data, number)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}
