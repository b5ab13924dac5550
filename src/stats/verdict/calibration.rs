//! The capacity of this machine, as `sinkctl calibrate` measured it: `calibration.json` in a data
//! folder.
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::stats::metrics::{Counter, Metric};
use crate::stats::reading::{History, Percentiles, RunSummary};

const FILE: &str = "calibration.json";
/// The format version; files with another one are ignored.
const VERSION: u32 = 1;
/// How much two loads may differ in one property and still be compared: by a factor of three.
const FACTOR_MAX: f64 = 3.0;
/// Number of messages per session beyond which more make no difference.
const SESSION_MESSAGES_MAX: f64 = 100.0;

/// The rates that this machine reached under several loads, each sent as fast as possible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    version: u32,
    /// The time of the measurement (RFC 3339).
    pub measured_at: String,
    /// The number of cores that sender and sink shared.
    pub cores: usize,
    /// The ceilings, one for each load.
    pub ceilings: Vec<Ceiling>,
}

/// Properties of a load that determine its maximum rate, as means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// The mean size of a message, in octets (RFC 1870).
    pub message_bytes: f64,
    /// The mean number of forward-paths per message.
    pub recipients: f64,
    /// The mean number of commands per read of the sink, which is the depth of pipelining.
    pub commands_per_read: f64,
    /// The mean number of messages per session, at most 100: more make no difference.
    pub messages_per_session: f64,
    /// The maximum number of connections open at the end of a second; if there were never any, the
    /// number accepted. Compared only as to whether there was more than one.
    pub connections: f64,
}

/// The measured rate of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The name of the load, as it appears in a verdict.
    pub name: String,
    /// What mail was sent, to find the ceiling that resembles a run most.
    pub shape: Shape,
    /// The median rate over the seconds of the measurement, with sender and sink on this machine.
    pub messages_per_s: f64,
    /// The median message rate times the mean size of a message, in octets per second.
    pub bytes_per_s: f64,
    /// The busy share of the sink's busiest loop.
    pub sink_busy_share: f64,
    /// The busy share of the sender's busiest thread.
    pub sender_busy_share: f64,
}

/// A run compared with the most similar ceiling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// The name of the load whose ceiling it is.
    pub load: String,
    /// The measured rate of the ceiling.
    pub messages_per_s: f64,
    /// The median rate of the run as a part of the ceiling.
    pub share: f64,
}

impl Shape {
    /// Returns the shape of a run; `None` without messages.
    pub fn of(history: &History, summary: &RunSummary) -> Option<Shape> {
        let messages = summary.totals.messages as f64;
        let mean = |metric| Percentiles::of_metric(history, metric).mean;
        let accepted = history.total(Counter::Connections);
        let open = history.seconds.values().map(|second| second.open_connections).max();
        // Open connections are counted at the end of each second; a short run may have none by
        // then.
        let connections = open.filter(|n| *n > 0).unwrap_or(accepted);
        (messages > 0.0).then(|| Shape {
            message_bytes: summary.totals.bytes as f64 / messages,
            recipients: summary.totals.recipients as f64 / messages,
            commands_per_read: mean(Metric::CommandsPerRead),
            messages_per_session: (messages / accepted.max(1) as f64).min(SESSION_MESSAGES_MAX),
            connections: connections as f64,
        })
    }

    /// Returns the distance to another load: 0 if they are equal, `None` if they are too different.
    fn distance(&self, other: &Shape) -> Option<f64> {
        let respects = [
            (self.message_bytes, other.message_bytes),
            (self.recipients, other.recipients),
            (self.commands_per_read, other.commands_per_read),
            (self.messages_per_session, other.messages_per_session),
        ];
        let apart = |(a, b): (f64, f64)| (a.max(1.0) / b.max(1.0)).ln().abs();
        let (most, sum) = respects
            .into_iter()
            .map(apart)
            .fold((0.0, 0.0), |(most, sum), one| (f64::max(most, one), sum + one));
        // A single connection differs from several; the exact number does not matter.
        let is_same_kind = (self.connections > 1.5) == (other.connections > 1.5);
        (is_same_kind && most <= FACTOR_MAX.ln()).then_some(sum)
    }
}

impl Calibration {
    /// Makes a calibration with these ceilings, measured at this time (RFC 3339).
    pub fn new(measured_at: String, cores: usize, ceilings: Vec<Ceiling>) -> Calibration {
        Calibration { version: VERSION, measured_at, cores, ceilings }
    }

    /// Reads the calibration of a data folder; `None` if there is none in a known format.
    pub fn read(data: &Path) -> Option<Calibration> {
        let text = std::fs::read_to_string(data.join(FILE)).ok()?;
        serde_json::from_str(&text).ok().filter(|it: &Calibration| it.version == VERSION)
    }

    /// Writes the calibration to a data folder, replacing any previous one.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let passing = data.join(format!("{FILE}.part"));
        std::fs::write(&passing, text + "\n")?;
        std::fs::rename(passing, data.join(FILE))
    }

    /// Compares the run with the most similar ceiling, if any is similar.
    pub fn compare(&self, history: &History, summary: &RunSummary) -> Option<Calibrated> {
        let shape = Shape::of(history, summary)?;
        let near = |ceiling: &Ceiling| Some((shape.distance(&ceiling.shape)?, ceiling.clone()));
        let all = self.ceilings.iter().filter(|it| it.messages_per_s > 0.0).filter_map(near);
        let (_, Ceiling { name: load, messages_per_s, .. }) =
            all.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        Some(Calibrated { load, messages_per_s, share: summary.rate.median / messages_per_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape {
        message_bytes: 2048.0,
        recipients: 1.0,
        commands_per_read: 1.0,
        messages_per_session: 100.0,
        connections: 64.0,
    };

    #[test]
    fn like_is_compared_with_like() {
        let rows = [
            (PLAIN, Some(0.0)),
            (Shape { message_bytes: 4096.0, ..PLAIN }, Some(2f64.ln())),
            (Shape { message_bytes: 512.0, recipients: 0.0, ..PLAIN }, None),
            (Shape { message_bytes: 1024.0, recipients: 2.0, ..PLAIN }, Some(4f64.ln())),
            (Shape { commands_per_read: 3.1, ..PLAIN }, None),
            (Shape { messages_per_session: 1.0, ..PLAIN }, None),
            (Shape { connections: 1.0, ..PLAIN }, None),
            (Shape { connections: 5000.0, ..PLAIN }, Some(0.0)),
        ];
        for (shape, expected) in rows {
            let found = shape.distance(&PLAIN);
            assert_eq!(found.is_some(), expected.is_some(), "{shape:?}");
            let apart = (found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs();
            assert!(apart < 1e-9, "{shape:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Calibration::read(folder.path()), None);
        let ceiling = Ceiling {
            name: "plain".into(),
            shape: PLAIN,
            messages_per_s: 1.0,
            bytes_per_s: 2.0,
            sink_busy_share: 0.5,
            sender_busy_share: 0.6,
        };
        let written = Calibration::new("2026-11-21T00:00:00Z".into(), 2, vec![ceiling]);
        written.write(folder.path()).unwrap();
        assert_eq!(Calibration::read(folder.path()), Some(written.clone()));
        Calibration { version: 2, ..written }.write(folder.path()).unwrap();
        assert_eq!(Calibration::read(folder.path()), None, "newer");
        std::fs::write(folder.path().join(FILE), "nonsense").unwrap();
        assert_eq!(Calibration::read(folder.path()), None);
    }
}
