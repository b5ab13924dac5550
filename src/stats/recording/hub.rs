//! The hub thread: merges what the workers hand over each second, and writes it.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::files::{StatsPlace, StatsWriter};
use super::interval::Interval;
use super::live::Live;
use super::recorded_names::RecordedNames;
use super::recorder::Recorder;
use super::sample::Sample;
use crate::stats::metrics::Counter;
use crate::time::SteadyClock;

/// Intervals per worker: one to record into, one for messages whose commit took longer, one to use
/// next, one being merged.
const INTERVALS_PER_WORKER: usize = 4;
/// A second is written this long after its end, so that all workers have had time to hand over
/// their parts.
const GRACE: Duration = Duration::from_millis(500);

/// Provides samples to the hub and receives its reports, on the hub's thread.
pub trait Observer: Send {
    /// Samples what no worker records; called about once a second. `now` is Unix time in seconds.
    fn sample(&mut self, now: u64) -> Sample;

    /// Reports the number of messages accepted in a second. The hub calls this for each second with
    /// messages, once the second is complete.
    fn messages(&mut self, _second: u64, _messages: u64) {}
}

/// No observer; used in tests.
impl Observer for () {
    fn sample(&mut self, _: u64) -> Sample {
        Sample::default()
    }
}

/// The channels to and from one worker, between which its intervals circulate.
struct Channels {
    full: Receiver<Box<Interval>>,
    empty: Sender<Box<Interval>>,
}

/// The hub thread, as its owner sees it. Dropping it writes the rest and waits for the thread.
#[derive(Debug)]
pub struct Hub {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
    live: Arc<Live>,
}

impl Hub {
    /// Starts the thread, which writes what `workers` threads record, and returns a recorder for
    /// each of them.
    ///
    /// Errors: the folder cannot be written, or the thread can't be started.
    pub fn start(
        place: &StatsPlace<'_>,
        workers: usize,
        names: impl Into<RecordedNames>,
        mut observer: Box<dyn Observer>,
    ) -> std::io::Result<(Hub, Vec<Recorder>)> {
        let names = names.into();
        let live = Arc::new(Live::new(names.clone()));
        let writer = StatsWriter::open(place, names.replies.clone())?;
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
            last_sample: observer.sample(watch.unix_ns().second()),
            observer,
            watch,
            sampled_at: None,
            sampled_second: None,
        };
        let thread =
            std::thread::Builder::new().name("stats".into()).spawn(move || hub.run(&stopped))?;
        Ok((Hub { stop, thread: Some(thread), live }, recorders))
    }

    /// Returns the sums since the start, which the hub keeps updating, for other threads.
    pub fn live(&self) -> Arc<Live> {
        self.live.clone()
    }

    /// Writes the rest, after the workers have closed their recorders.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // If the channel is full, the thread has a notice already.
        let _ = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Sets the figures sampled at the end of a second.
fn set_sample(merged: &mut Interval, sample: &Sample) {
    merged.open_connections = sample.open_connections;
    merged.index_lag_messages = sample.index_lag_messages;
    merged.index_lag_s = sample.index_lag_s;
}

/// The state of the hub thread.
struct Merging {
    channels: Vec<Channels>,
    names: RecordedNames,
    writer: StatsWriter,
    live: Arc<Live>,
    /// Seconds that are not written yet.
    seconds: BTreeMap<u64, Box<Interval>>,
    observer: Box<dyn Observer>,
    /// The newest sample. Its totals are subtracted from the totals of the next one.
    last_sample: Sample,
    watch: SteadyClock,
    /// The time of the last sample, in Unix seconds; `None` before the first that ended a second.
    sampled_at: Option<u64>,
    /// The second whose end the last sample belongs to.
    sampled_second: Option<u64>,
}

impl Merging {
    fn run(mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(GRACE) {
            let now_ns = self.watch.unix_ns();
            self.collect();
            self.sample(now_ns.second());
            self.write_until(now_ns.saturating_sub(GRACE).second());
        }
        // The last sample ends the current second, which is not over.
        let now = self.watch.unix_ns().second();
        self.collect();
        let sample = self.observer.sample(now);
        self.end_second(now, sample);
        self.write_until(u64::MAX);
        self.writer.close();
    }

    fn collect(&mut self) {
        for worker in 0..self.channels.len() {
            while let Ok(mut interval) = self.channels[worker].full.try_recv() {
                interval.busiest_us = interval.counter(Counter::BusyUs);
                let merged = self.at(interval.second);
                merged.merge(&interval);
                merged.append_sessions(&interval);
                interval.clear();
                // An error means that the worker has ended.
                drop(self.channels[worker].empty.try_send(interval));
            }
        }
    }

    /// Returns the interval that a second is merged into; a new one if nothing of the second came
    /// before.
    fn at(&mut self, second: u64) -> &mut Interval {
        let (names, sample) =
            (&self.names, (self.sampled_second == Some(second)).then_some(self.last_sample));
        self.seconds.entry(second).or_insert_with(|| {
            let mut merged = Box::new(names.interval());
            merged.second = second;
            // The sample for its end was taken before the first worker handed over its part.
            if let Some(sample) = sample {
                set_sample(&mut merged, &sample);
            }
            merged
        })
    }

    /// Samples the end of the second before `now`, unless this was done.
    fn sample(&mut self, now: u64) {
        if self.sampled_at.replace(now) == Some(now) {
            return;
        }
        let sample = self.observer.sample(now);
        self.end_second(now - 1, sample);
    }

    /// Adds the sample of the end of a second. Counts since the last sample belong to that second.
    fn end_second(&mut self, second: u64, sample: Sample) {
        self.live.store_sample(&sample);
        let before = std::mem::replace(&mut self.last_sample, sample);
        let flushes = sample.flushes.saturating_sub(before.flushes);
        let overflows = sample.accept_overflows.saturating_sub(before.accept_overflows);
        self.sampled_second = Some(second);
        if let Some(merged) = self.seconds.get_mut(&second) {
            set_sample(merged, &sample);
        }
        if flushes + overflows > 0 {
            let merged = self.at(second);
            merged.add(Counter::Flushes, flushes);
            merged.add(Counter::AcceptOverflows, overflows);
        }
    }

    /// Writes the seconds before `past`. If a worker is late for one of them, another line is
    /// written.
    fn write_until(&mut self, past: u64) {
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
