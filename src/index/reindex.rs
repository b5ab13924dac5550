//! Works the whole index out again: beside a running sinkd or without one.
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::log::reader::{Opening, SegmentError};
use crate::log::{State, segment_files};

use super::appender::Replacement;
use super::indexer::Indexer;
use super::sidecar;
use super::sweep::sweep;

/// Progress, for other threads.
#[derive(Debug, Default)]
pub struct ReindexProgress {
    /// Segments done.
    pub segments: AtomicU64,
    /// Messages done.
    pub messages: AtomicU64,
    /// Set: it ends after the segments that are under way, and leaves the others as they were.
    pub stop: Arc<AtomicBool>,
}

/// The result of reindexing.
#[derive(Debug, Default)]
pub struct Reindexed {
    /// Segments whose index was put in place.
    pub segments: u64,
    /// Messages in them.
    pub messages: u64,
    /// Octets of their index.
    pub bytes: u64,
    /// Segments that can't be read.
    pub unreadable: Vec<SegmentError>,
}

/// Indexes every segment of the folder `data` from its beginning, with `threads` threads. An old
/// index stays in use until the new one is whole.
///
/// `sequence_field`: the header field that numbers messages; `None`: the one of the newest index.
///
/// Errors: the index can't be written.
pub fn reindex(
    data: &Path,
    sequence_field: Option<&str>,
    threads: usize,
    progress: &ReindexProgress,
) -> io::Result<Reindexed> {
    let files = segment_files(data)?;
    std::fs::create_dir_all(sidecar::folder(data))?;
    let numbers: Vec<u32> = files.iter().map(|file| file.0).collect();
    sweep(data, &numbers)?;
    sweep_unfinished(data)?;
    let sequence_field = match sequence_field {
        Some(name) => name.to_owned(),
        None => sidecar::sequence_field(data)?,
    };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Reindexed::default()));
    let work = || -> io::Result<()> {
        let mut indexer = Indexer::new(&sequence_field);
        // The newest first: what arrived last is looked for first.
        while let Some((_, path)) = files.iter().rev().nth(next.fetch_add(1, Ordering::Relaxed)) {
            if progress.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let built = one(data, path, &sequence_field, &mut indexer, progress)?;
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
        // All are waited for, whatever one of them says.
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
    /// Pruned meanwhile.
    Gone,
    Unreadable(SegmentError),
}

fn one(
    data: &Path,
    path: &Path,
    sequence_field: &str,
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
        // The state first: the count is final only if the segment was sealed before.
        let is_sealed = segment.state() != State::Open;
        indexer.index(&segment, appender, &mut count)?;
        if is_sealed {
            appender.complete()?;
        }
        count(appender.records());
        Ok(Built::Whole { messages: appender.records(), bytes: appender.bytes() })
    })
}

/// Removes what a process left behind that was killed.
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
