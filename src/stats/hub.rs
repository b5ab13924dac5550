//! The hub thread: merges what the workers hand over, second by second, and writes it down.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::files::Writer;
use super::interval::Interval;
use super::live::Live;
use super::metric::Counter;
use super::recorder::Recorder;

/// Intervals of each worker: one it records into, one to take next, one being merged.
const INTERVALS_PER_WORKER: usize = 3;
/// A second is written down this long after its end, when all workers have had the time to hand
/// over their part.
const GRACE: Duration = Duration::from_millis(500);

/// What a worker and the hub exchange.
struct Desk {
    full: Receiver<Box<Interval>>,
    empty: Sender<Box<Interval>>,
}

/// The running thread.
#[derive(Debug)]
pub struct Hub {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
    live: Arc<Live>,
}

impl Hub {
    /// Starts the thread, which writes into `folder/stats`, and gives a recorder for each worker.
    /// `replies`: how the sorts of replies are called.
    ///
    /// Errors: what the file system says about the folder.
    pub fn start(
        folder: &Path,
        start_count: u32,
        workers: usize,
        replies: Vec<String>,
    ) -> std::io::Result<(Hub, Vec<Recorder>)> {
        let sorts = replies.len();
        let live = Arc::new(Live::new(replies.clone()));
        let writer = Writer::open(folder, start_count, replies)?;
        let (mut desks, mut recorders) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (to_hub, full) = bounded(INTERVALS_PER_WORKER);
            let (empty, to_worker) = bounded(INTERVALS_PER_WORKER);
            for _ in 1..INTERVALS_PER_WORKER {
                drop(empty.try_send(Box::new(Interval::new(sorts))));
            }
            recorders.push(Recorder::new(Box::new(Interval::new(sorts)), to_worker, to_hub));
            desks.push(Desk { full, empty });
        }
        let (stop, stopped) = bounded(1);
        let hub = Merging { desks, sorts, writer, live: live.clone(), seconds: BTreeMap::new() };
        let thread =
            std::thread::Builder::new().name("stats".into()).spawn(move || hub.run(&stopped))?;
        Ok((Hub { stop, thread: Some(thread), live }, recorders))
    }

    /// The sums since the start.
    pub fn live(&self) -> Arc<Live> {
        self.live.clone()
    }

    /// After the workers have closed their recorders: writes down what is left.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Full: it has been told.
        let _ = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread's state.
struct Merging {
    desks: Vec<Desk>,
    sorts: usize,
    writer: Writer,
    live: Arc<Live>,
    /// Seconds not yet written down.
    seconds: BTreeMap<u64, Box<Interval>>,
}

impl Merging {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let is_over = match stopped.recv_timeout(GRACE) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            self.collect();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let past = now.saturating_sub(GRACE).as_secs();
            self.write_down(if is_over { u64::MAX } else { past });
            if is_over {
                return self.writer.close();
            }
        }
    }

    fn collect(&mut self) {
        for desk in &self.desks {
            while let Ok(mut interval) = desk.full.try_recv() {
                interval.busiest_us = interval.counter(Counter::BusyUs);
                match self.seconds.get_mut(&interval.second) {
                    Some(merged) => merged.merge(&interval),
                    None => {
                        let mut merged = Box::new(Interval::new(self.sorts));
                        merged.second = interval.second;
                        merged.merge(&interval);
                        self.seconds.insert(interval.second, merged);
                    }
                }
                interval.clear();
                // The worker has gone.
                drop(desk.empty.try_send(interval));
            }
        }
    }

    /// Seconds before `past` are complete: a worker that was late for one writes another line.
    fn write_down(&mut self, past: u64) {
        while let Some(entry) = self.seconds.first_entry() {
            if *entry.key() >= past {
                return;
            }
            let interval = entry.remove();
            if !interval.is_empty() {
                self.live.add(&interval);
                self.writer.write(&interval);
            }
        }
    }
}
