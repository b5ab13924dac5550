//! What parser threads learn from workers: new segments, and how busy the workers are.
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::sys;
use crate::config::Config;
use crate::index::{Host, ParserThreads, When};

/// Capacity of the channel of new segments. The parser finds further ones by listing the folder.
const NEW_SEGMENTS_MAX: usize = 1024;
/// Minimum time between two measurements of whether the workers are busy.
const MEASURE_EVERY: Duration = Duration::from_millis(20);
/// Workers count as busy if they ran for more than this share of the time.
const BUSY_SHARE: f64 = 0.5;

/// Starts the parser threads. `None`: mail is not indexed.
pub(super) fn start(
    config: &Config,
    workers: usize,
) -> std::io::Result<Option<(ParserThreads, NewSegments)>> {
    if config.index.when == When::Off {
        return Ok(None);
    }
    let (notify, new_segments) = bounded(NEW_SEGMENTS_MAX);
    let host = Box::new(Threads { workers, usage: Mutex::default() });
    let parser = ParserThreads::start(&config.data, config.index.clone(), host, new_segments)?;
    Ok(Some((parser, NewSegments { notify: Some(notify), last: 0 })))
}

/// A worker's notifications of the segments into which it commits.
#[derive(Debug, Clone, Default)]
pub(super) struct NewSegments {
    /// `None`: there is no parser.
    notify: Option<Sender<u32>>,
    last: u32,
}

impl NewSegments {
    /// Notes that a message was committed into `segment`. Costs a comparison, and for the first
    /// message of a segment an item in a channel. No thread sleeps on that channel, so the worker
    /// never has to wake one.
    #[inline]
    pub fn committed_to(&mut self, segment: u32) {
        if segment != self.last {
            self.last = segment;
            if let Some(notify) = &self.notify {
                // If the channel is full, the parser finds the segment by listing the folder.
                let _ = notify.try_send(segment);
            }
        }
    }
}

/// Measures how busy the workers are, by the CPU time that the kernel counts (proc(5)).
struct Threads {
    workers: usize,
    usage: Mutex<WorkersCpuUsage>,
}

#[derive(Default)]
struct WorkersCpuUsage {
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
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        match usage.at.map(|at| at.elapsed()) {
            Some(since) if since < MEASURE_EVERY => {}
            since => usage.measure(since, self.workers),
        }
        usage.is_busy
    }
}

impl WorkersCpuUsage {
    /// Measures the workers' CPU time. Costs reading a small file of /proc for each worker.
    fn measure(&mut self, since: Option<Duration>, expected: usize) {
        if self.files.len() < expected {
            // Some threads may not have started, or may not have their names yet.
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

/// Returns the `schedstat` files of the workers. Empty on systems without such files: there no
/// worker counts as busy.
fn workers() -> Vec<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let is_worker = |task: &PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("worker-"))
    };
    tasks.map(|task| task.path()).filter(is_worker).map(|task| task.join("schedstat")).collect()
}

/// Reads the CPU time from a `schedstat` file, ns.
fn ran_ns(schedstat: &Path) -> Option<u64> {
    std::fs::read_to_string(schedstat).ok()?.split(' ').next()?.parse().ok()
}
