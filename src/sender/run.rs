//! A run of sending: its threads, and what they recorded.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clock::Clock;
use super::engine::{Ended, Engine, Settings, Shared};
use super::hands::reply_names;
use super::source::Source;
use super::tally::Tally;
use crate::stats::{Hub, Observer, Sample};

/// What a run has come to.
#[derive(Debug)]
pub struct Report {
    #[allow(missing_docs)]
    pub tally: Tally,
    /// Why it ended before its sources did.
    pub error: Option<String>,
    /// From the start to the last connection's end, s.
    pub seconds: f64,
}

struct Watching(Arc<Shared>);

impl Observer for Watching {
    fn look(&mut self, _: u64) -> Sample {
        let open_connections = self.0.open.load(Ordering::Relaxed);
        Sample { open_connections, ..Sample::default() }
    }
}

/// Sends what the sources have, with a thread for each; records into `folder/stats`, as sinkd does.
/// `settings` are those of one thread.
///
/// Errors: the folder can't be written, a thread can't be made.
pub fn run(
    settings: &Settings,
    sources: Vec<Box<dyn Source>>,
    folder: &Path,
    shared: &Arc<Shared>,
) -> io::Result<Report> {
    let observer = Box::new(Watching(shared.clone()));
    let (hub, recorders) = Hub::start(folder, 1, sources.len(), reply_names(), None, observer)?;
    let clock = Clock::start();
    let mut engines = Vec::new();
    for (source, recorder) in sources.into_iter().zip(recorders) {
        engines.push(Engine::new(settings.clone(), source, recorder, clock, shared)?);
    }
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> =
            engines.into_iter().map(|engine| scope.spawn(move || engine.run())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<Ended>>()
    });
    let seconds = clock.now_ns() as f64 / 1e9;
    hub.close();
    let mut report = Report { tally: Tally::default(), error: None, seconds };
    for Ended { tally, error } in ended {
        report.tally.merge(&tally);
        report.error = report.error.or(error);
    }
    Ok(report)
}
