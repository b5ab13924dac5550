//! A run of sending: its threads, and what they recorded.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::SendingClock;
use super::engine::{Engine, ThreadEnd};
use super::network::KernelNetwork;
use super::recording::{SendLedger, SendingError, SendingTally, reply_names};
use super::settings::{Connections, SendingSettings};
use super::shared::SharedRun;
use super::source::Source;
use crate::stats::{Hub, Observer, Sample, StatsPlace};
use crate::time::MonotonicNs;

/// The result of a run.
#[derive(Debug)]
pub struct SendReport {
    /// The outcomes of the messages.
    pub tally: SendingTally,
    /// Why it ended before its sources did.
    pub error: Option<SendingError>,
    /// Whether no thread could make a connection, or had a useful one, at the end.
    pub is_lost: bool,
    /// The time from the start to the end of the last connection.
    pub duration: Duration,
}

struct RunObserver(Arc<SharedRun>);

impl Observer for RunObserver {
    fn sample(&mut self, _: u64) -> Sample {
        let open_connections = self.0.open.load(Ordering::Relaxed);
        Sample { open_connections, ..Sample::default() }
    }
}

/// Sends the messages of the sources, with one thread each; records into `folder/stats`, as sinkd
/// does. Threads divide the connections that are kept open; each has at least one.
///
/// Errors: the folder can't be written, or a thread can't be started.
pub fn run(
    settings: &SendingSettings,
    sources: Vec<Box<dyn Source>>,
    folder: &Path,
    shared: &Arc<SharedRun>,
) -> io::Result<SendReport> {
    let observer = Box::new(RunObserver(shared.clone()));
    let place = StatsPlace { data: folder, start_count: 1, retain: None };
    let (hub, recorders) = Hub::start(&place, sources.len(), reply_names(), observer)?;
    let clock = SendingClock::start();
    let mut engines = Vec::new();
    let threads = sources.len();
    for (thread, (source, recorder)) in sources.into_iter().zip(recorders).enumerate() {
        let settings = SendingSettings {
            connections: share(settings.connections, thread, threads),
            ..settings.clone()
        };
        let ledger = SendLedger::new(source, recorder, clock.clone());
        let network = KernelNetwork::new(settings.address.clone())?;
        engines.push(Engine::new(settings, network, ledger, shared));
    }
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> =
            engines.into_iter().map(|engine| scope.spawn(move || engine.run())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<ThreadEnd>>()
    });
    let duration = clock.now_ns().since(MonotonicNs::START);
    let is_lost = ended.iter().all(|thread| thread.is_lost);
    let ended_ns =
        ended.iter().filter_map(|thread| thread.ledger.ended_ns).max().unwrap_or_default();
    let mut report = SendReport { tally: SendingTally::default(), error: None, is_lost, duration };
    let requested = ended.iter().find_map(|thread| thread.ledger.supply.source.requested());
    for ThreadEnd { mut ledger, error, .. } in ended {
        ledger.count_overdue(ended_ns);
        report.tally.merge(&ledger.close());
        report.error = report.error.or(error);
    }
    if let Some(requested) = requested {
        report.tally.not_started = requested.saturating_sub(report.tally.started);
    }
    hub.close();
    Ok(report)
}

/// Returns one thread's share of the connections.
fn share(connections: Connections, thread: usize, threads: usize) -> Connections {
    match connections {
        Connections::Kept(all) => {
            let rest = usize::from(thread < all % threads);
            Connections::Kept((all / threads + rest).max(1))
        }
        Connections::ByLane(most) => Connections::ByLane(most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_connections() {
        for (all, threads, expected) in
            [(64, 2, vec![32, 32]), (7, 3, vec![3, 2, 2]), (1, 1, vec![1]), (1, 2, vec![1, 1])]
        {
            let kept = Connections::Kept(all);
            let found: Vec<_> = (0..threads).map(|thread| share(kept, thread, threads)).collect();
            let expected: Vec<_> = expected.into_iter().map(Connections::Kept).collect();
            assert_eq!(found, expected, "{all} among {threads}");
        }
    }
}
