//! What the parser threads and the workers have to do with each other.
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::sys;
use crate::config::Config;
use crate::index::{Host, ParserThreads, When};

/// Begun segments that wait in the channel: the parser finds further ones by listing.
const BEGUN_MAX: usize = 1024;
/// How often the parser checks whether the workers are busy.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Share of all workers' time above which they count as busy.
const BUSY_SHARE: f64 = 0.5;

/// Starts the threads; `None`: mail is not indexed.
pub(super) fn start(
    config: &Config,
    workers: usize,
) -> std::io::Result<Option<(ParserThreads, Begun)>> {
    if config.index.when == When::Off {
        return Ok(None);
    }
    let (tell, begun) = bounded(BEGUN_MAX);
    let host = Box::new(Threads { workers, seen: Mutex::default() });
    let parser = ParserThreads::start(&config.data, config.index.clone(), host, begun)?;
    Ok(Some((parser, Begun { tell: Some(tell), last: 0 })))
}

/// A worker's side: says when it commits into another segment than before.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun {
    /// `None`: no parser runs.
    tell: Option<Sender<u32>>,
    last: u32,
}

impl Begun {
    /// A message was committed into this segment. Costs a comparison; for a segment's first, an
    /// item in a channel on which no thread sleeps, so the worker never wakes one.
    #[inline]
    pub fn committed_to(&mut self, segment: u32) {
        if segment != self.last {
            self.last = segment;
            if let Some(tell) = &self.tell {
                // Full: the parser will find the segment by listing.
                let _ = tell.try_send(segment);
            }
        }
    }
}

/// The threads of this process, as the kernel counts their time (proc(5)).
struct Threads {
    workers: usize,
    seen: Mutex<ParserSeen>,
}

#[derive(Default)]
struct ParserSeen {
    /// The `schedstat` file of each worker.
    files: Vec<PathBuf>,
    at: Option<Instant>,
    ran_ns: u64,
    is_busy: bool,
}

impl Host for Threads {
    fn run_when_idle(&self) {
        sys::run_when_idle();
    }

    fn is_busy(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.at.map(|at| at.elapsed()) {
            Some(since) if since < LOOK_EVERY => {}
            since => seen.look(since, self.workers),
        }
        seen.is_busy
    }
}

impl ParserSeen {
    /// Costs a small file of /proc for each worker.
    fn look(&mut self, since: Option<Duration>, expected: usize) {
        if self.files.len() < expected {
            // Some may not have begun, or not yet have their names.
            self.files = workers();
        }
        let ran_ns = self.files.iter().filter_map(|file| ran_ns(file)).sum();
        let ran = ran_ns - self.ran_ns.min(ran_ns);
        if let (Some(since), false) = (since, self.files.is_empty()) {
            let share = ran as f64 / (since.as_nanos() as f64 * self.files.len() as f64);
            self.is_busy = share > BUSY_SHARE;
        }
        (self.at, self.ran_ns) = (Some(Instant::now()), ran_ns);
    }
}

/// Empty on systems without these files: then no worker ever counts as busy.
fn workers() -> Vec<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let is_worker = |task: &PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("worker-"))
    };
    tasks.map(|task| task.path()).filter(is_worker).map(|task| task.join("schedstat")).collect()
}

/// Time on a processor.
fn ran_ns(schedstat: &Path) -> Option<u64> {
    std::fs::read_to_string(schedstat).ok()?.split(' ').next()?.parse().ok()
}
