//! Rebuilds the whole index, with or without a running sinkd.
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::log::reader::{Opening, SegmentError};
use crate::log::{State, segment_files};

use super::indexer::Indexer;
use crate::index::sidecar::{self, Replacement, sweep};

/// The progress, readable from other threads.
#[derive(Debug, Default)]
pub struct ReindexProgress {
    /// Number of segments done: indexed, unreadable, or pruned meanwhile.
    pub segments: AtomicU64,
    /// Number of messages indexed so far, in segments that are not complete yet, too.
    pub messages: AtomicU64,
    /// Set to stop after the current segments. The index of other segments is left unchanged.
    pub stop: Arc<AtomicBool>,
}

/// The result of rebuilding the index.
#[derive(Debug, Default)]
pub struct Reindexed {
    /// Number of segments with a new index.
    pub segments: u64,
    /// Number of messages in them.
    pub messages: u64,
    /// Size of their index, in octets.
    pub bytes: u64,
    /// Segments that can't be read.
    pub unreadable: Vec<SegmentError>,
}

/// Indexes every segment of the folder `data` from scratch, with `threads` threads. An old index
/// stays in use until the new one is complete.
///
/// `sequence_field` is the header field that numbers messages; `None`: as in the newest index;
/// `Some(None)`: no field.
///
/// Errors: the index can't be written.
pub fn reindex(
    data: &Path,
    sequence_field: Option<Option<&str>>,
    threads: usize,
    progress: &ReindexProgress,
) -> io::Result<Reindexed> {
    let files = segment_files(data)?;
    std::fs::create_dir_all(sidecar::folder(data))?;
    let numbers: Vec<u32> = files.iter().map(|file| file.0).collect();
    sweep(data, &numbers)?;
    sweep_unfinished(data)?;
    let sequence_field = match sequence_field {
        Some(field) => field.map(str::to_owned),
        None => sidecar::sequence_field(data)?,
    };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Reindexed::default()));
    let work = || -> io::Result<()> {
        let mut indexer = Indexer::new(sequence_field.as_deref());
        // The newest first, because recent mail is searched for first.
        while let Some((_, path)) = files.iter().rev().nth(next.fetch_add(1, Ordering::Relaxed)) {
            if progress.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let built = one(data, path, sequence_field.as_deref(), &mut indexer, progress)?;
            let mut done = done.lock().expect("no thread panics while it holds this");
            match built {
                Built::Whole { messages, bytes } => {
                    done.segments += 1;
                    done.messages += messages;
                    done.bytes += bytes;
                }
                Built::Gone => {}
                Built::Unreadable(error) => done.unreadable.push(error),
            }
            progress.segments.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        // All threads are joined, even if one of them failed.
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        ended.into_iter().try_for_each(|ended| ended.expect("indexing does not panic"))
    })?;
    Ok(done.into_inner().expect("no thread panicked"))
}

enum Built {
    Whole {
        messages: u64,
        bytes: u64,
    },
    /// The segment was pruned meanwhile.
    Gone,
    Unreadable(SegmentError),
}

fn one(
    data: &Path,
    path: &Path,
    sequence_field: Option<&str>,
    indexer: &mut Indexer,
    progress: &ReindexProgress,
) -> io::Result<Built> {
    let segment = match Opening::of(path) {
        Opening::Opened(segment) => segment,
        Opening::Gone => return Ok(Built::Gone),
        Opening::Damaged(error) => return Ok(Built::Unreadable(error)),
    };
    let mut replacement = Replacement::begin(data, segment.identity(), sequence_field)?;
    let mut counted = 0;
    let mut count = |messages| {
        progress.messages.fetch_add(messages - counted, Ordering::Relaxed);
        counted = messages;
        true
    };
    indexer.index(&segment, replacement.appender(), &mut count)?;
    replacement.put_in_place(|appender| {
        // The state is read first: the count is final only if the segment was sealed before.
        let is_sealed = segment.state() != State::Open;
        indexer.index(&segment, appender, &mut count)?;
        if is_sealed {
            appender.complete()?;
        }
        count(appender.records());
        Ok(Built::Whole { messages: appender.records(), bytes: appender.bytes() })
    })
}

/// Deletes temporary files of processes that were killed.
fn sweep_unfinished(data: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(sidecar::folder(data))? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.rsplit_once(".new-")?.1.parse::<i32>().ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { continue };
        if rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
