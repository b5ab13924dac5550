//! The measures of a run, with a value per second, read from data folders.
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;

use hdrhistogram::Histogram;

use super::ranks::{Counts, quantile};
use crate::stats::format::StatsDamage;
use crate::stats::metrics::{Counter, Metric};
use crate::stats::reading::{History, Second, each_interval};
use crate::time::Seconds;

/// The compared histograms. A sink records the first six, a sender the first and the last seven.
const COMPARED: [Metric; 13] = [
    Metric::Transaction,
    Metric::ServiceCommand,
    Metric::ServiceMessage,
    Metric::ThinkNext,
    Metric::ThinkData,
    Metric::Transfer,
    Metric::Sent,
    Metric::Late,
    Metric::Connect,
    Metric::ReplyMail,
    Metric::ReplyRcpt,
    Metric::ReplyData,
    Metric::ReplyPayload,
];
/// The relative error of a percentile: a histogram has 128 steps per power of two (two significant
/// digits).
const HISTOGRAM_STEP: f64 = 1.0 / 128.0;
/// The absolute error of a percentile: a histogram keeps whole units.
const HISTOGRAM_UNIT: f64 = 1.0;

/// What the values of a measure are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureUnit {
    /// Events per second.
    PerSecond,
    /// Bytes per second.
    BytesPerSecond,
    /// Parts of 1.
    Share,
    /// Times in µs.
    Microseconds,
}

/// The values of one measure, one per second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeasureSeries {
    pub values: Vec<f64>,
    pub unit: MeasureUnit,
    /// The relative error of a value, as a part of 1. It widens the interval of the ratio.
    pub step: f64,
    /// The absolute error of a value, in the unit of the measure; 0 for rates.
    pub absolute_error: f64,
}

impl MeasureSeries {
    /// Makes a series of values without an error.
    pub fn exact(unit: MeasureUnit, values: Vec<f64>) -> MeasureSeries {
        MeasureSeries { values, unit, step: 0.0, absolute_error: 0.0 }
    }
}

/// What is compared of a run: a value per second for each measure. Needs about 3 KB per second and
/// metric.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Series by name, in the order of the output.
    pub(super) series: Vec<(String, MeasureSeries)>,
    /// Transaction times of each second that has any.
    pub(super) transactions: Vec<Counts>,
    /// The seconds with messages: Unix time and a hash of the counters, for each recording.
    recorded: BTreeSet<(u64, u64)>,
    pub(super) messages: u64,
}

impl Measures {
    /// Reads a run: folders and their spans, merged. Also returns the parts that could
    /// not be read.
    ///
    /// Costs about 10 µs and 3 KB per second and metric. Errors: a folder cannot be read.
    pub fn read(parts: &[(&Path, Seconds)]) -> io::Result<(Measures, Vec<StatsDamage>)> {
        let mut measures = Measures::default();
        let mut history = History::default();
        for (folder, span) in parts {
            let mut part = History::default();
            part.read_counters(folder, *span)?;
            measures.recorded.extend(part.busy_seconds().map(|(at, one)| (at, hash(at, one))));
            for (at, second) in &part.seconds {
                history.seconds.entry(*at).or_default().merge(second);
            }
            history.damage.append(&mut part.damage);
        }
        let inner = inner_seconds(&history);
        measures.messages = history.total(Counter::Messages);
        measures.take_rates(&history, inner);
        for metric in COMPARED {
            let damage = measures.take_percentiles(metric, parts, inner)?;
            history.damage.extend(damage);
        }
        Ok((measures, history.damage))
    }

    /// Returns the number of seconds with messages that were read.
    pub fn seconds(&self) -> usize {
        self.recorded.len()
    }

    /// Returns the number of seconds that both runs have from the same recording, in one folder or
    /// in a copy of it.
    pub fn shared_seconds(&self, other: &Measures) -> usize {
        self.recorded.intersection(&other.recorded).count()
    }

    /// Returns the names of the measures of this run that `other` lacks, in the order of the
    /// output.
    pub fn missing_in<'a>(&'a self, other: &'a Measures) -> impl Iterator<Item = &'a str> {
        let names = self.series.iter().map(|(name, _)| name.as_str());
        names.filter(|name| other.find(name).is_none())
    }

    pub(super) fn find(&self, name: &str) -> Option<&MeasureSeries> {
        self.series.iter().find(|(known, _)| known == name).map(|(_, series)| series)
    }

    fn take_rates(&mut self, history: &History, inner: Seconds) {
        use MeasureUnit::{BytesPerSecond, PerSecond, Share};
        if inner.is_empty() {
            return;
        }
        let mut take = |name: &str, unit, of: &dyn Fn(&Second) -> f64| {
            let value = |at| history.seconds.get(&at).map_or(0.0, of);
            let values = inner.iter().map(value).collect();
            self.series.push((name.into(), MeasureSeries::exact(unit, values)));
        };
        for (name, unit, counter) in [
            ("messages_per_s", PerSecond, Counter::Messages),
            ("recipients_per_s", PerSecond, Counter::MessageRecipients),
            ("bytes_per_s", BytesPerSecond, Counter::MessageBytes),
            ("connections_per_s", PerSecond, Counter::Connections),
        ] {
            take(name, unit, &|second| second.counter(counter) as f64);
        }
        take("busy_share", Share, &|second| second.busiest_us as f64 / 1e6);
    }

    /// Reads one metric at a time, so that memory holds the counts of a single metric.
    fn take_percentiles(
        &mut self,
        metric: Metric,
        parts: &[(&Path, Seconds)],
        inner: Seconds,
    ) -> io::Result<Vec<StatsDamage>> {
        let mut damage = Vec::new();
        let mut seconds: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
        for (folder, span) in parts {
            let mut take = |_, second, histogram: &Histogram<u64>| {
                if !inner.contains(second) {
                    return;
                }
                let mine = seconds.entry(second).or_default();
                for value in histogram.iter_recorded() {
                    *mine.entry(value.value_iterated_to()).or_default() += value.count_at_value();
                }
            };
            damage.extend(each_interval(folder, *span, &[metric], &mut take)?);
        }
        let counts: Vec<Counts> =
            seconds.into_values().map(|second| second.into_iter().collect()).collect();
        if counts.is_empty() {
            return Ok(damage);
        }
        let name = metric.short_name();
        for (tag, share) in [("p50", 0.5), ("p99", 0.99)] {
            let values = counts.iter().map(|second| quantile(second, share) as f64).collect();
            let series = MeasureSeries {
                values,
                unit: MeasureUnit::Microseconds,
                step: HISTOGRAM_STEP,
                absolute_error: HISTOGRAM_UNIT,
            };
            self.series.push((format!("{name}.{tag}"), series));
        }
        if metric == Metric::Transaction {
            self.transactions = counts;
        }
        Ok(damage)
    }
}

/// Returns the seconds from the first to the last with messages. The first and the last are usually
/// partial, and are left out if there are others.
fn inner_seconds(history: &History) -> Seconds {
    let busy: Vec<u64> = history.busy_seconds().map(|(second, _)| second).collect();
    match (busy.first(), busy.last()) {
        (Some(first), Some(last)) if last - first >= 2 => Seconds { start: first + 1, end: *last },
        (Some(first), Some(last)) => Seconds { start: *first, end: last + 1 },
        _ => Seconds::EMPTY,
    }
}

/// Hashes all counters of a second. Some count microseconds, so two recordings of a busy second are
/// hardly ever equal by chance.
fn hash(at: u64, second: &Second) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at, second.tenths, second.busiest_us).hash(&mut hasher);
    Counter::ALL.iter().for_each(|counter| second.counter(*counter).hash(&mut hasher));
    hasher.finish()
}
