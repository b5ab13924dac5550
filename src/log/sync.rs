//! The sync thread: flushes sealed segments in the background, then says so on their live page.
//!
//! Lazily: the kernel writes dirty pages out by itself after about 30 s, in large pieces and at its
//! own pace. An fdatasync right after sealing would compete with it for the disk; one that comes
//! later finds little left to do.
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::disk;
use super::format::{LIVE_AT, STATE_WORD, SYNCED_WORD, State};

/// 30 s is when the kernel's flusher takes a page (`dirty_expire_centisecs`), 5 s its round.
pub(crate) const SYNC_AFTER: Duration = Duration::from_secs(35);

/// Segments that wait for their flush, each an open file; more, and the oldest is flushed early.
const WAITING_MAX: usize = 256;

/// What is asked of the thread.
#[derive(Debug)]
pub(crate) enum SyncJob {
    Segment {
        number: u32,
        file: File,
        due: Instant,
    },
    /// The `store` file has changed.
    Store,
    Stop,
}

/// Serves until `Stop`; what still waits then is left to the kernel and to the next start.
pub(crate) fn run(jobs: &Receiver<SyncJob>, store: &File) {
    let mut waiting: VecDeque<(u32, File, Instant)> = VecDeque::new();
    let mut is_store_dirty = false;
    loop {
        let job = match waiting.front() {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((_, _, due)) => jobs.recv_deadline(*due),
        };
        match job {
            Ok(SyncJob::Segment { number, file, due }) => {
                waiting.push_back((number, file, due));
            }
            Ok(SyncJob::Store) => is_store_dirty = true,
            Ok(SyncJob::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Several changes of `store` that came together are flushed together.
        if is_store_dirty && jobs.is_empty() {
            is_store_dirty = false;
            if let Err(e) = store.sync_data() {
                tracing::warn!(error = %e, "cannot flush the file `store`");
            }
        }
        while waiting.len() > WAITING_MAX
            || waiting.front().is_some_and(|(_, _, due)| *due <= Instant::now())
        {
            let Some((number, file, _)) = waiting.pop_front() else {
                break;
            };
            sync_segment(number, &file);
        }
    }
}

/// A failed flush is final: what the kernel could not write it has dropped, and a second flush
/// that returns would say nothing about it.
fn sync_segment(number: u32, file: &File) {
    let Err(e) = flush(file) else {
        return;
    };
    tracing::error!(segment = number, error = %e, "a flush failed: the segment is suspect");
    let word = State::Suspect { from: 0 }.word().to_le_bytes();
    if let Err(e) = file.write_all_at(&word, LIVE_AT + 8 * STATE_WORD as u64) {
        tracing::error!(segment = number, error = %e, "cannot mark the segment as suspect");
    }
}

/// Flushes a sealed segment, then sets its `synced` word: should that word reach the disk, the
/// data got there before.
pub(crate) fn flush(file: &File) -> io::Result<()> {
    file.sync_data()?;
    let word = disk::read_live(file)?.synced_word().to_le_bytes();
    file.write_all_at(&word, LIVE_AT + 8 * SYNCED_WORD as u64)
}
