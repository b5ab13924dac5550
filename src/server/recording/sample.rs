//! Figures that no worker records, sampled once a second by the statistics thread.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::Counters;
use crate::index::Lag;
use crate::log::{EventsFile, Log};
use crate::server::listening::Admission;
use crate::server::runs::IdleRuns;
use crate::stats::{Observer, Sample};
use crate::time::ProcessClock;

/// The observer of all workers and of the log.
pub(crate) struct Sampler {
    admission: Arc<Admission>,
    counters: Vec<Arc<Counters>>,
    events: Arc<EventsFile>,
    /// `None`: sinkd starts no runs by itself.
    idle_runs: Option<IdleRuns>,
    /// `None`: mail is not indexed.
    lag: Option<Box<dyn Fn() -> Lag + Send>>,
}

impl Sampler {
    pub fn new(
        admission: &Arc<Admission>,
        counters: &[Arc<Counters>],
        log: &Log,
        idle_runs: Option<IdleRuns>,
        lag: Option<Box<dyn Fn() -> Lag + Send>>,
    ) -> Sampler {
        let (admission, counters) = (admission.clone(), counters.to_vec());
        Sampler { admission, counters, events: log.events(), idle_runs, lag }
    }
}

impl Observer for Sampler {
    /// Costs reading one small file of /proc, and one check of each open segment.
    fn sample(&mut self, now: u64) -> Sample {
        if let Some(runs) = &mut self.idle_runs {
            runs.tick(now);
        }
        let lag = self.lag.as_ref().map_or(Lag::default(), |lag| lag());
        let flushes = self.counters.iter().map(|c| c.flushes.load(Ordering::Relaxed)).sum();
        Sample {
            open_connections: u64::from(self.admission.connections()),
            flushes,
            accept_overflows: listen_overflows().unwrap_or(0),
            index_lag_messages: lag.messages,
            index_lag_s: lag.oldest_ns.map_or(0, |ns| now.saturating_sub(ns.second())),
            events_busy: self.events.busy(),
            clock_ahead_ms: ProcessClock::get().ahead_ns() / 1_000_000,
        }
    }

    fn messages(&mut self, second: u64, _: u64) {
        if let Some(runs) = &mut self.idle_runs {
            runs.messages_in(second);
        }
    }
}

/// Returns the number of connections that found an accept queue full since the machine started. The
/// kernel counts them only for all listeners of the network namespace (`TcpExt: ListenOverflows`).
fn listen_overflows() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/net/netstat").ok()?)
}

/// Parses a file that has two lines per group: names, then numbers.
fn parse(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let column = names.split(' ').position(|name| name == "ListenOverflows")?;
    numbers.split(' ').nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_are_found_by_their_name() {
        let text = "TcpExt: A ListenOverflows B\nTcpExt: 1 27 3\nIpExt: X\nIpExt: 9\n";
        assert_eq!(parse(text), Some(27));
        for text in ["", "TcpExt: A\nTcpExt: 1\n", "TcpExt: ListenOverflows\nTcpExt:\n"] {
            assert_eq!(parse(text), None);
        }
    }
}
