//! Reads `stats/` back, from one folder or merged from many without loss.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::stats::format::{
    CounterLine, HOUR_S, LineFault, NUMBER_MAX, StatsDamage, StatsFileKind, Stem, TENTHS,
    folder_of, unglued,
};
use crate::stats::metrics::{Counter, Metric};
use crate::time::Seconds;

/// The beginning of every line of counters, by which a line after a cut-off one is found.
pub const LINE_BEGIN: &str = "{\"second\":";
/// The beginning of every line of values, by which a line after a cut-off one is found. Other lines
/// of an interval log are comments and the header.
pub const INTERVAL_BEGIN: &str = "Tag=";

/// What was counted in one second, read back. Values of histograms are in [`History`].
#[derive(Debug, Clone)]
pub struct Second {
    counters: [u64; Counter::ALL.len()],
    /// Replies by code and enhanced code, as sent.
    pub replies: BTreeMap<String, u64>,
    /// Accepted messages in each tenth of the second.
    pub tenths: [u64; TENTHS],
    /// Time in loop rounds of the busiest worker, in µs.
    pub busiest_us: u64,
    /// Connections waiting to be accepted when the second began.
    pub accept_queue: u64,
    /// Connections open at the end of the second; of merged folders, their sum.
    pub open_connections: u64,
    /// Messages not indexed at the end of the second.
    pub index_lag_messages: u64,
    /// Age of the oldest of these messages, in seconds.
    pub index_lag_s: u64,
}

/// Written by hand, because arrays with more than 32 elements have no `Default`.
impl Default for Second {
    fn default() -> Second {
        Second {
            counters: [0; Counter::ALL.len()],
            replies: BTreeMap::new(),
            tenths: [0; TENTHS],
            busiest_us: 0,
            accept_queue: 0,
            open_connections: 0,
            index_lag_messages: 0,
            index_lag_s: 0,
        }
    }
}

impl Second {
    /// Returns the value of a counter in this second; 0 if the recording sinkd did not know it.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Parses a line of `*.jsonl`; `None` if the line is not a second.
    pub fn of_line(text: &str) -> Option<Second> {
        Some(CounterLine::parse(text).ok()?.into())
    }

    /// Adds another recording of the same second.
    pub fn merge(&mut self, other: &Second) {
        for (mine, theirs) in self.counters.iter_mut().zip(other.counters) {
            *mine += theirs;
        }
        for (name, n) in &other.replies {
            *self.replies.entry(name.clone()).or_default() += n;
        }
        for (mine, theirs) in self.tenths.iter_mut().zip(other.tenths) {
            *mine += theirs;
        }
        self.busiest_us = self.busiest_us.max(other.busiest_us);
        self.accept_queue += other.accept_queue;
        self.open_connections += other.open_connections;
        self.index_lag_messages += other.index_lag_messages;
        self.index_lag_s = self.index_lag_s.max(other.index_lag_s);
    }
}

impl From<CounterLine> for Second {
    fn from(line: CounterLine) -> Second {
        Second {
            counters: line.by_counter(),
            replies: line.replies,
            tenths: line.tenths.map(u64::from),
            busiest_us: line.busiest_us,
            accept_queue: line.accept_queue,
            open_connections: line.open_connections,
            index_lag_messages: line.index_lag_messages,
            index_lag_s: line.index_lag_s,
        }
    }
}

/// The recordings of a span of time.
#[derive(Debug, Default)]
pub struct History {
    /// Seconds by Unix time in seconds; seconds in which nothing happened are absent.
    pub seconds: BTreeMap<u64, Second>,
    histograms: BTreeMap<Metric, Histogram<u64>>,
    /// Parts that could not be read.
    pub damage: Vec<StatsDamage>,
}

/// The files of a start and hour.
pub type Files = BTreeMap<StatsFileKind, PathBuf>;

impl History {
    /// Returns whether a sender recorded it. If a sink did, too, returns false.
    pub fn is_of_sender(&self) -> bool {
        self.histograms.contains_key(&Metric::Connect) && self.total(Counter::Commands) == 0
    }

    /// Reads the statistics for `span` from a data folder, and adds them.
    ///
    /// Costs about 10 µs per second and metric for hours that are partly in the span, and 0.2 ms
    /// per whole hour. Errors: the folder cannot be read. Missing statistics are not an error.
    pub fn read(&mut self, data: &Path, span: Seconds) -> io::Result<()> {
        for (span, files) in hours_in(data, span)? {
            let recorded = self.read_hour_counters(&files, span)?;
            self.read_hour_values(&files, span, recorded)?;
        }
        Ok(())
    }

    /// Reads only the counters, as [`History::read`] does: 2 µs per second.
    pub fn read_counters(&mut self, data: &Path, span: Seconds) -> io::Result<()> {
        for (span, files) in hours_in(data, span)? {
            self.read_hour_counters(&files, span)?;
        }
        Ok(())
    }

    /// Reads the counters of an hour; `span` is a part of it. Returns the span from the first to
    /// the last recorded second of the hour, even if they are outside `span`.
    fn read_hour_counters(&mut self, files: &Files, span: Seconds) -> io::Result<Option<Seconds>> {
        let Some(path) = files.get(&StatsFileKind::Counters) else { return Ok(None) };
        let mut recorded: Option<Seconds> = None;
        let text = whole_lines(path)?;
        for (number, text) in unglued(&text, LINE_BEGIN) {
            let line = match CounterLine::parse(text) {
                Ok(line) => line,
                Err(fault) => {
                    self.damage.push(StatsDamage::line(path, number, fault));
                    continue;
                }
            };
            if line.second / HOUR_S != span.start / HOUR_S {
                self.damage.push(StatsDamage::line(path, number, LineFault::OtherHour));
                continue;
            }
            let second = Seconds::of(line.second);
            recorded = Some(recorded.map_or(second, |seen| seen.hull(second)));
            if span.contains(line.second) {
                self.seconds.entry(line.second).or_default().merge(&line.into());
            }
        }
        Ok(recorded)
    }

    /// Reads the values of an hour, in which the seconds `recorded` have counters: from its
    /// roll-up if `span` covers all of them, otherwise second by second.
    fn read_hour_values(
        &mut self,
        files: &Files,
        span: Seconds,
        recorded: Option<Seconds>,
    ) -> io::Result<()> {
        let is_covered = recorded.is_some_and(|recorded| span.covers(recorded));
        match (files.get(&StatsFileKind::HourValues), files.get(&StatsFileKind::Values)) {
            (Some(path), _) if is_covered && !self.is_cut(path)? => self.read_log(path, span),
            (_, Some(path)) => self.read_log(path, span),
            (_, None) => Ok(()),
        }
    }

    /// Returns whether the roll-up of an hour is cut off, and reports it. It gets its name when it
    /// is complete, so no crash cuts it off. The hour's log of single seconds has the same values.
    fn is_cut(&mut self, path: &Path) -> io::Result<bool> {
        let is_cut = std::fs::read(path)?.last() != Some(&b'\n');
        if is_cut {
            self.damage.push(StatsDamage::CutHour { file: path.to_owned() });
        }
        Ok(is_cut)
    }

    fn read_log(&mut self, path: &Path, span: Seconds) -> io::Result<()> {
        let mut add = |metric: Metric, second, histogram: &Histogram<u64>| {
            if !span.contains(second) {
                return true;
            }
            let mine = self.histograms.entry(metric).or_insert_with(|| metric.histogram());
            mine.add(histogram).is_ok()
        };
        read_intervals(path, Metric::ALL, &mut add, &mut self.damage)
    }

    /// Adds a second that is not present yet, and its values, for callers that follow the files
    /// with [`Follower`](super::Follower). Values above a metric's maximum, from a newer sinkd, are
    /// ignored. Costs about 5 µs per metric.
    pub fn add_second<'a>(
        &mut self,
        second: u64,
        counts: &Second,
        histograms: impl IntoIterator<Item = (&'a Metric, &'a Histogram<u64>)>,
    ) {
        self.seconds.insert(second, counts.clone());
        for (metric, histogram) in histograms {
            let mine = self.histograms.entry(*metric).or_insert_with(|| metric.histogram());
            let _ = mine.add(histogram);
        }
    }

    /// Returns the values of a metric in all seconds together; `None` if none was recorded, or only
    /// the counters were read.
    pub fn histogram(&self, metric: Metric) -> Option<&Histogram<u64>> {
        self.histograms.get(&metric)
    }

    /// Returns the seconds with accepted messages, by Unix time in seconds.
    pub fn busy_seconds(&self) -> impl Iterator<Item = (u64, &Second)> {
        let busy = self.seconds.iter().filter(|(_, s)| s.counter(Counter::Messages) > 0);
        busy.map(|(second, counts)| (*second, counts))
    }

    /// Returns the sum of a counter over all seconds. Costs one pass over them.
    pub fn total(&self, counter: Counter) -> u64 {
        self.seconds.values().map(|second| second.counter(counter)).sum()
    }

    /// Returns whether no client connected, sent a message or got a reply.
    pub fn is_without_traffic(&self) -> bool {
        let counters = [Counter::Connections, Counter::Messages];
        counters.iter().all(|counter| self.total(*counter) == 0) && self.replies().is_empty()
    }

    /// Returns the number of replies by code and enhanced code, such as `250 2.1.0`. Costs one pass
    /// over the seconds.
    pub fn replies(&self) -> BTreeMap<&str, u64> {
        let mut replies = BTreeMap::new();
        for (name, n) in self.seconds.values().flat_map(|second| &second.replies) {
            *replies.entry(name.as_str()).or_default() += n;
        }
        replies
    }
}

/// Reads the values of `metrics` for each second in `span`. `visit` gets metric, second
/// and histogram, in the order of the files; a second may be repeated. Returns what could not be
/// read.
///
/// Meant for percentiles over time. Costs about 10 µs per second and metric; other metrics cost
/// almost nothing. Errors: the folder cannot be read. Missing statistics are not an error.
pub fn each_interval(
    data: &Path,
    span: Seconds,
    metrics: &[Metric],
    mut visit: impl FnMut(Metric, u64, &Histogram<u64>),
) -> io::Result<Vec<StatsDamage>> {
    let mut damage = Vec::new();
    for (_, files) in hours_in(data, span)? {
        let Some(path) = files.get(&StatsFileKind::Values) else { continue };
        let mut take = |metric, second, histogram: &Histogram<u64>| {
            if span.contains(second) {
                visit(metric, second, histogram);
            }
            true
        };
        read_intervals(path, metrics, &mut take, &mut damage)?;
    }
    Ok(damage)
}

/// Passes metric, second and histogram of each line of these metrics to `take`, which returns
/// whether it could use them.
fn read_intervals(
    path: &Path,
    metrics: &[Metric],
    take: &mut dyn FnMut(Metric, u64, &Histogram<u64>) -> bool,
    damage: &mut Vec<StatsDamage>,
) -> io::Result<()> {
    let text = whole_lines(path)?;
    for (number, line) in unglued(&text, INTERVAL_BEGIN) {
        if belongs_to_other_metrics(line, metrics) {
            continue;
        }
        match interval_of(line) {
            Ok(Some((metric, second, histogram))) => {
                if !take(metric, second, &histogram) {
                    damage.push(StatsDamage::line(path, number, LineFault::BeyondBound));
                }
            }
            Ok(None) => {}
            Err(fault) => damage.push(StatsDamage::line(path, number, fault)),
        }
    }
    Ok(())
}

/// Returns whether the line is about none of these metrics. Looks only at its beginning, without
/// decoding the rest.
fn belongs_to_other_metrics(line: &str, metrics: &[Metric]) -> bool {
    let tag = line.strip_prefix("Tag=").and_then(|rest| rest.split(',').next());
    tag.and_then(Metric::from_tag).is_some_and(|metric| !metrics.contains(&metric))
}

/// Returns the files of statistics, grouped by start and hour.
pub fn files_in(data: &Path) -> io::Result<BTreeMap<Stem, Files>> {
    let mut all: BTreeMap<Stem, Files> = BTreeMap::new();
    let entries = match std::fs::read_dir(folder_of(data)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(all),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).and_then(Stem::parse);
        if let Some((stem, Some(kind))) = name {
            all.entry(stem).or_default().insert(kind, path);
        }
    }
    Ok(all)
}

/// Returns the paths of the interval logs of a data folder that have single seconds, in the order
/// of starts and hours.
pub fn interval_logs(data: &Path) -> io::Result<Vec<PathBuf>> {
    let files = files_in(data)?.into_values();
    Ok(files.filter_map(|mut files| files.remove(&StatsFileKind::Values)).collect())
}

/// Returns the part of `span` in each hour that overlaps it, and the files of the hour, grouped by
/// start.
fn hours_in(data: &Path, span: Seconds) -> io::Result<Vec<(Seconds, Files)>> {
    let part = |stem: Stem| {
        let hour = Seconds { start: stem.hour * HOUR_S, end: (stem.hour + 1) * HOUR_S };
        Some(hour.intersection(span)).filter(|part| !part.is_empty())
    };
    let files = files_in(data)?.into_iter();
    Ok(files.filter_map(|(stem, files)| Some((part(stem)?, files))).collect())
}

/// Returns the text of the file without a last line that is incomplete (after a crash, or while it
/// is being written).
fn whole_lines(path: &Path) -> io::Result<String> {
    let mut bytes = std::fs::read(path)?;
    let end = bytes.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A metric, the second (Unix s), and the values recorded in it.
pub type Recorded = (Metric, u64, Histogram<u64>);

/// Parses a line of an interval log; `None` for a comment, or for a metric of a newer version.
pub fn interval_of(line: &str) -> Result<Option<Recorded>, LineFault> {
    if line.is_empty() || line.starts_with(['#', '"']) {
        return Ok(None);
    }
    let text = format!("{line}\n");
    let entry = IntervalLogIterator::new(text.as_bytes()).next();
    let Some(Ok(LogEntry::Interval(interval))) = entry else {
        return Err(LineFault::Interval);
    };
    let Some(metric) = interval.tag().and_then(|tag| Metric::from_tag(tag.as_str())) else {
        return Ok(None);
    };
    let second = interval.start_timestamp().as_secs();
    if second > NUMBER_MAX {
        return Err(LineFault::Implausible);
    }
    let encoded = STANDARD.decode(interval.encoded_histogram()).map_err(|_| LineFault::Base64)?;
    let histogram = Deserializer::new()
        .deserialize(&mut io::Cursor::new(encoded))
        .map_err(|_| LineFault::Histogram)?;
    Ok(Some((metric, second, histogram)))
}
