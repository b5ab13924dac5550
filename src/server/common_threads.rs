//! The threads that serve all workers.
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::{Config, Listener};
use crate::index::ParserThreads;
use crate::log::Log;
use crate::smtp::tally;
use crate::stats::{Hub, RecordedNames, Recorder, StatsPlace};

use super::indexing::{self, NewSegments};
use super::listening::Admission;
use super::recording::{Counters, Sampler};
use super::runs::{IdleRuns, MarkSender};
use super::start_error::StartError;
use super::transcripts::Transcripts;
use super::worker::Watchdog;

/// The threads that serve all workers, and the workers' ends of their channels. `None`: the
/// settings do not want it.
pub struct CommonThreads {
    pub transcripts: Option<(Arc<Transcripts>, JoinHandle<()>)>,
    pub marks: Option<(Arc<MarkSender>, JoinHandle<()>)>,
    pub parser: Option<(ParserThreads, NewSegments)>,
    pub hub: Option<Hub>,
    /// One for each worker; empty if statistics are off.
    pub recorders: Vec<Recorder>,
    pub watchdog: Watchdog,
}

impl CommonThreads {
    /// Starts the threads. `counters` has one entry for each worker, in their order.
    pub fn start(
        config: &Config,
        log: &Log,
        listeners: &[Listener],
        admission: &Arc<Admission>,
        counters: &[Arc<Counters>],
    ) -> Result<CommonThreads, StartError> {
        let transcripts = Transcripts::start(config)?;
        let marks = config.noop_marks.then(|| MarkSender::start(log.events())).transpose();
        let marks = marks.map_err(StartError::Marks)?;
        let parser = indexing::start(config, counters.len());
        let parser = parser.map_err(StartError::folder(config, "index"))?;
        let lag = parser.as_ref().map(|(parser, _)| Box::new(parser.lag()) as Box<_>);
        let idle_runs = config.stats.run_after_idle.map(|t| IdleRuns::new(log.events(), t));
        let sampler = Sampler::new(admission, counters, log, idle_runs, lag);
        let (hub, recorders) = if config.stats.is_recorded {
            let start_count = log.start_count();
            let retain = config.stats.retain_age;
            let place = StatsPlace { data: &config.data, start_count, retain };
            let names = recorded_names(listeners);
            let started = Hub::start(&place, counters.len(), names, Box::new(sampler));
            let (hub, recorders) = started.map_err(StartError::folder(config, "stats"))?;
            (Some(hub), recorders)
        } else {
            (None, Vec::new())
        };
        let watchdog = Watchdog::start(counters).map_err(StartError::thread("watchdog"))?;
        Ok(CommonThreads { transcripts, marks, parser, hub, recorders, watchdog })
    }
}

/// Returns the names of replies and listeners in the statistics. A listener without a name gets its
/// address as name.
fn recorded_names(listeners: &[Listener]) -> RecordedNames {
    let label = |it: &Listener| it.options.name.clone().unwrap_or_else(|| it.address.to_string());
    RecordedNames { replies: tally::kinds(), listeners: listeners.iter().map(label).collect() }
}
