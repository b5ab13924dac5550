//! Removal of sidecars whose segments have gone.
use std::io;
use std::path::Path;

use super::sidecar;

/// Removes the sidecars of segments that are not in `there` (ascending): retention does not remove
/// them. Numbers of segments are never used again, so a sidecar that is removed late does no harm.
pub fn sweep(data: &Path, there: &[u32]) -> io::Result<()> {
    for number in sidecar::numbers(data)? {
        // A segment may have begun since `there` was listed.
        let is_old = there.last().is_some_and(|newest| number <= *newest);
        if is_old && there.binary_search(&number).is_err() {
            match std::fs::remove_file(sidecar::path(data, number)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}
