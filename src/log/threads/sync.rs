//! The sync thread: flushes sealed segments in the background, then marks their live pages.
//!
//! It does so lazily: the kernel writes dirty pages on its own after about 30 s, in large pieces.
//! An fdatasync right after sealing would compete with it for the disk; a later one finds little
//! left to do.
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::log::exchange::SyncJob;
use crate::log::files::disk;
use crate::log::files::flush_call::FlushCall;
use crate::log::format::{LIVE_AT, STATE_WORD, SYNCED_WORD, State};

/// The thread's state.
struct Syncer<'a> {
    call: &'a FlushCall,
    /// When the last successful flush of the folder began: names that files had by then survive a
    /// power loss.
    names_safe_at: Option<Instant>,
}

/// Serves jobs until `Stop`. Jobs that are not due by then are left to the kernel and to the next
/// start.
pub(crate) fn run(jobs: &Receiver<SyncJob>, store: &File, call: &FlushCall) {
    let mut syncer = Syncer { call, names_safe_at: None };
    let mut waiting: VecDeque<(u32, PathBuf, Instant)> = VecDeque::new();
    let mut is_store_dirty = false;
    loop {
        let job = match waiting.front() {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((_, _, due)) => jobs.recv_deadline(*due),
        };
        match job {
            Ok(SyncJob::Segment { number, path, due }) if due <= Instant::now() => {
                syncer.sync_segment(number, &path, due);
            }
            Ok(SyncJob::Segment { number, path, due }) => waiting.push_back((number, path, due)),
            Ok(SyncJob::Store) => is_store_dirty = true,
            Ok(SyncJob::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Several pending changes of `store` share one flush.
        if is_store_dirty && jobs.is_empty() {
            is_store_dirty = false;
            if let Err(e) = store.sync_data() {
                tracing::warn!(error = %e, "cannot flush the file `store`");
            }
        }
        while waiting.front().is_some_and(|(_, _, due)| *due <= Instant::now()) {
            let Some((number, path, due)) = waiting.pop_front() else {
                break;
            };
            syncer.sync_segment(number, &path, due);
        }
    }
}

impl Syncer<'_> {
    /// Flushes a segment that had its name at `named_by`. A failed flush is final: the kernel has
    /// dropped what it could not write, and a second flush that succeeds would not change that.
    fn sync_segment(&mut self, number: u32, path: &Path, named_by: Instant) {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            // The segment was dropped meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => {
                tracing::warn!(segment = number, error = %e, "the next start will flush it");
                return;
            }
        };
        // The file may be in use for recycling, or be another segment by now.
        if file.try_lock_shared().is_err() || !is_segment(&file, number) {
            return;
        }
        let Err(e) = self.flush(&file, path, named_by) else {
            return;
        };
        tracing::error!(segment = number, error = %e, "a flush failed: the segment is suspect");
        let word = State::Suspect { from: 0 }.word().to_le_bytes();
        if let Err(e) = file.write_all_at(&word, LIVE_AT + 8 * STATE_WORD as u64) {
            tracing::error!(segment = number, error = %e, "cannot mark the segment as suspect");
        }
    }

    /// Flushes a sealed segment and its name, then sets its `synced` word. So if that word is on
    /// disk, data and name are, too.
    fn flush(&mut self, file: &File, path: &Path, named_by: Instant) -> io::Result<()> {
        self.call.flush(file)?;
        // One flush of the folder covers all segments that were renamed before it.
        if self.names_safe_at.is_none_or(|at| at < named_by) {
            let now = Instant::now();
            if let Err(e) = self.call.flush_name(path) {
                // The data is safe, but the segment is not marked as synced.
                tracing::warn!(error = %e, "the folder of segments cannot be flushed");
                return Ok(());
            }
            self.names_safe_at = Some(now);
        }
        let word = disk::read_live(file)?.synced_word().to_le_bytes();
        file.write_all_at(&word, LIVE_AT + 8 * SYNCED_WORD as u64)
    }
}

/// Returns whether the file's identity page has this number.
fn is_segment(file: &File, number: u32) -> bool {
    disk::identity_of(file).is_some_and(|identity| identity.number == number)
}
