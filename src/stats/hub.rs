//! The hub thread: merges what the workers hand over, second by second, and writes it down.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::files::StatsWriter;
use super::interval::Interval;
use super::live::Live;
use super::metric::Counter;
use super::recorded_names::RecordedNames;
use super::recorder::Recorder;
use super::sample::Sample;

/// Intervals of each worker: one it records into, one for messages whose commit took until now, one
/// to take next, one being merged.
const INTERVALS_PER_WORKER: usize = 4;
/// A second is written down this long after its end, when all workers have had the time to hand
/// over their part.
const GRACE: Duration = Duration::from_millis(500);

/// What the server lets the hub ask and tells it, on the hub's thread.
pub trait Observer: Send {
    /// Looks at what no worker records; called about once a second. `now`: Unix time, s.
    fn look(&mut self, now: u64) -> Sample;

    /// Reports the number of messages accepted in a second. The hub calls this for each second with
    /// messages, once the second is complete.
    fn messages(&mut self, _second: u64, _messages: u64) {}
}

/// No observer: for tests.
impl Observer for () {
    fn look(&mut self, _: u64) -> Sample {
        Sample::default()
    }
}

/// Unix time that follows the clock as it was at the start, as the workers' does: seconds neither
/// come twice nor wait for an hour when the clock is set.
struct SteadyClock {
    base: Instant,
    unix_base: Duration,
}

impl SteadyClock {
    fn start() -> SteadyClock {
        let unix_base = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SteadyClock { base: Instant::now(), unix_base }
    }

    fn unix(&self) -> Duration {
        self.unix_base.saturating_add(self.base.elapsed())
    }
}

/// What a worker and the hub exchange.
struct Channels {
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
    /// Starts the thread, which writes into `folder/stats`, and returns a recorder for each worker.
    /// `retain`: how long an hour's files are kept.
    ///
    /// Errors: what the file system says about the folder.
    pub fn start(
        folder: &Path,
        start_count: u32,
        workers: usize,
        names: impl Into<RecordedNames>,
        retain: Option<Duration>,
        mut observer: Box<dyn Observer>,
    ) -> std::io::Result<(Hub, Vec<Recorder>)> {
        let names = names.into();
        let live = Arc::new(Live::new(names.clone()));
        let writer = StatsWriter::open(folder, start_count, names.replies.clone(), retain)?;
        let (mut channels, mut recorders) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (to_hub, full) = bounded(INTERVALS_PER_WORKER);
            let (empty, to_worker) = bounded(INTERVALS_PER_WORKER);
            for _ in 1..INTERVALS_PER_WORKER {
                drop(empty.try_send(Box::new(names.interval())));
            }
            recorders.push(Recorder::new(Box::new(names.interval()), to_worker, to_hub));
            channels.push(Channels { full, empty });
        }
        let (stop, stopped) = bounded(1);
        let watch = SteadyClock::start();
        let hub = Merging {
            channels,
            names,
            writer,
            live: live.clone(),
            seconds: BTreeMap::new(),
            seen: observer.look(watch.unix().as_secs()),
            observer,
            watch,
            looked_at: 0,
            looked_after: 0,
        };
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
        // Full: the thread has a notice already.
        let _ = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What was seen at the end of a second.
fn set_sample(merged: &mut Interval, sample: &Sample) {
    merged.open_connections = sample.open_connections;
    merged.index_lag_messages = sample.index_lag_messages;
    merged.index_lag_s = sample.index_lag_s;
}

/// The thread's state.
struct Merging {
    channels: Vec<Channels>,
    names: RecordedNames,
    writer: StatsWriter,
    live: Arc<Live>,
    /// Seconds not yet written down.
    seconds: BTreeMap<u64, Box<Interval>>,
    observer: Box<dyn Observer>,
    /// What was seen before.
    seen: Sample,
    watch: SteadyClock,
    /// The time of the last look, Unix s.
    looked_at: u64,
    /// The second that the last look was at the end of.
    looked_after: u64,
}

impl Merging {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let is_over = match stopped.recv_timeout(GRACE) {
                Err(RecvTimeoutError::Timeout) => false,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            };
            let now = self.watch.unix();
            self.collect();
            self.look(now.as_secs(), is_over);
            let past = now.saturating_sub(GRACE).as_secs();
            self.write_down(if is_over { u64::MAX } else { past });
            if is_over {
                return self.writer.close();
            }
        }
    }

    fn collect(&mut self) {
        for worker in 0..self.channels.len() {
            while let Ok(mut interval) = self.channels[worker].full.try_recv() {
                interval.busiest_us = interval.counter(Counter::BusyUs);
                let merged = self.at(interval.second);
                merged.merge(&interval);
                merged.append_sessions(&interval);
                interval.clear();
                // The worker has gone.
                drop(self.channels[worker].empty.try_send(interval));
            }
        }
    }

    /// What is being merged of a second.
    fn at(&mut self, second: u64) -> &mut Interval {
        let (names, sample) = (&self.names, (second == self.looked_after).then_some(self.seen));
        self.seconds.entry(second).or_insert_with(|| {
            let mut merged = Box::new(names.interval());
            merged.second = second;
            // The look at its end was before the first worker handed over its part.
            if let Some(sample) = sample {
                set_sample(&mut merged, &sample);
            }
            merged
        })
    }

    /// Looks once a second, and at the end: what was counted since belongs to the second before.
    fn look(&mut self, now: u64, is_over: bool) {
        if now == self.looked_at && !is_over {
            return;
        }
        self.looked_at = now;
        let sample = self.observer.look(now);
        self.live.look(&sample);
        let before = std::mem::replace(&mut self.seen, sample);
        let flushes = sample.flushes.saturating_sub(before.flushes);
        let overflows = sample.accept_overflows.saturating_sub(before.accept_overflows);
        let second = now - u64::from(!is_over);
        self.looked_after = second;
        if let Some(merged) = self.seconds.get_mut(&second) {
            set_sample(merged, &sample);
        }
        if flushes + overflows > 0 {
            let merged = self.at(second);
            merged.add(Counter::Flushes, flushes);
            merged.add(Counter::AcceptOverflows, overflows);
        }
    }

    /// Seconds before `past` are complete: a worker that was late for one writes another line.
    fn write_down(&mut self, past: u64) {
        while let Some(entry) = self.seconds.first_entry() {
            if *entry.key() >= past {
                return;
            }
            let interval = entry.remove();
            let messages = interval.counter(Counter::Messages);
            if messages > 0 {
                self.observer.messages(interval.second, messages);
            }
            if !interval.is_empty() {
                self.live.add(&interval);
                self.writer.write(&interval);
            }
        }
    }
}
