//! Reading `stats/` back: of one folder or of many, merged without loss.
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::files::{CounterLine, HOUR_S, counters_of, folder_of, parse_name};
use super::interval::TENTHS;
use super::lines::unglued;
use super::metric::{Counter, Metric};

/// How a line of counters begins.
pub(super) const LINE_BEGIN: &str = "{\"second\":";
/// How a line of values begins.
pub(super) const INTERVAL_BEGIN: &str = "Tag=";

/// Counters of one second.
#[derive(Debug, Clone)]
pub struct Second {
    counters: [u64; Counter::ALL.len()],
    /// Replies by code and enhanced code as sent.
    pub replies: BTreeMap<String, u64>,
    /// Accepted messages in each tenth of it.
    pub tenths: [u64; TENTHS],
    /// Time in loop rounds of the busiest worker, us.
    pub busiest_us: u64,
    /// Connections that waited to be accepted when the second began.
    pub accept_queue: u64,
    /// Connections open at its end.
    pub open_connections: u64,
    /// Messages that were not indexed at its end.
    pub index_lag_messages: u64,
    /// Age of the oldest of them, s.
    pub index_lag_s: u64,
}

/// By hand: arrays of more than 32 have no `Default`.
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
    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Parses a line of `*.jsonl`; `None`: the line is not a second.
    pub fn of_line(text: &str) -> Option<Second> {
        let mut second = Second::default();
        second.add(&serde_json::from_str(text).ok()?);
        Some(second)
    }

    /// Adds what another worker recorded in the same second.
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

    pub(super) fn add(&mut self, line: &CounterLine) {
        for (mine, theirs) in self.counters.iter_mut().zip(counters_of(line)) {
            *mine += theirs;
        }
        for (name, n) in &line.replies {
            *self.replies.entry(name.clone()).or_default() += n;
        }
        for (mine, theirs) in self.tenths.iter_mut().zip(line.tenths) {
            *mine += u64::from(theirs);
        }
        self.busiest_us = self.busiest_us.max(line.busiest_us);
        self.accept_queue += line.accept_queue;
        self.open_connections += line.open_connections;
        self.index_lag_messages += line.index_lag_messages;
        self.index_lag_s = self.index_lag_s.max(line.index_lag_s);
    }
}

/// What was recorded in a span of time.
#[derive(Debug, Default)]
pub struct History {
    /// Seconds by Unix time, s; those in which nothing happened are left out.
    pub seconds: BTreeMap<u64, Second>,
    histograms: BTreeMap<Metric, Histogram<u64>>,
    /// What could not be read, a sentence each with file and line.
    pub problems: Vec<String>,
}

/// The files of one start of sinkd and hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stem {
    start: u32,
    /// Unix hours.
    pub hour: u64,
}

/// Paths by ending.
pub(super) type Files = BTreeMap<String, PathBuf>;

impl History {
    /// Was it recorded by a sender, not by a sink? Both together are a sink's.
    pub fn is_of_sender(&self) -> bool {
        self.histograms.contains_key(&Metric::Connect) && self.total(Counter::Commands) == 0
    }

    /// Reads the statistics of a data folder in `span` (Unix s) and adds them to what is here.
    ///
    /// Costs about 10 us a second and metric where hours are not wholly inside the span, else 0.2
    /// ms an hour. Errors: the folder cannot be read; no statistics are not an error.
    pub fn read(&mut self, data: &Path, span: Range<u64>) -> io::Result<()> {
        self.read_files(data, span, true)
    }

    /// Reads the counters alone: 2 us a second.
    pub fn read_counters(&mut self, data: &Path, span: Range<u64>) -> io::Result<()> {
        self.read_files(data, span, false)
    }

    fn read_files(&mut self, data: &Path, span: Range<u64>, histograms: bool) -> io::Result<()> {
        for (stem, files) in files_in(data)? {
            let hour = stem.hour * HOUR_S..(stem.hour + 1) * HOUR_S;
            if overlap(&hour, &span) {
                let here = hour.start.max(span.start)..hour.end.min(span.end);
                self.read_hour(&files, &here, histograms)?;
            }
        }
        Ok(())
    }

    fn read_hour(&mut self, files: &Files, span: &Range<u64>, histograms: bool) -> io::Result<()> {
        let mut extent: Option<Range<u64>> = None;
        if let Some(path) = files.get("jsonl") {
            let text = whole_lines(path)?;
            for (number, text) in unglued(&text, LINE_BEGIN) {
                let Ok(line) = serde_json::from_str::<CounterLine>(text) else {
                    self.problems.push(problem(path, number, "not a line of counters"));
                    continue;
                };
                if line.second / HOUR_S != span.start / HOUR_S {
                    self.problems.push(problem(path, number, "a second of another hour"));
                    continue;
                }
                let seen = extent.get_or_insert(line.second..line.second + 1);
                *seen = seen.start.min(line.second)..seen.end.max(line.second + 1);
                if span.contains(&line.second) {
                    self.seconds.entry(line.second).or_default().add(&line);
                }
            }
        }
        let is_inside = extent.is_some_and(|e| span.start <= e.start && e.end <= span.end);
        match (files.get("hour.hlog"), files.get("hlog")) {
            _ if !histograms => Ok(()),
            (Some(path), _) if is_inside && !self.is_cut(path)? => self.read_log(path, span),
            (_, Some(path)) => self.read_log(path, span),
            (_, None) => Ok(()),
        }
    }

    /// Whether the file of a whole hour is cut short, which is then told: it gets its name when all
    /// of it is written, so no crash cuts it. The hour's log by the second has the same values.
    fn is_cut(&mut self, path: &Path) -> io::Result<bool> {
        let is_cut = std::fs::read(path)?.last() != Some(&b'\n');
        if is_cut {
            let shown = path.display();
            self.problems.push(format!("{shown}: cut short; the seconds of the hour were read"));
        }
        Ok(is_cut)
    }

    fn read_log(&mut self, path: &Path, span: &Range<u64>) -> io::Result<()> {
        let mut add = |metric: Metric, second, histogram: &Histogram<u64>| {
            if !span.contains(&second) {
                return true;
            }
            let mine = self.histograms.entry(metric).or_insert_with(|| metric.histogram());
            mine.add(histogram).is_ok()
        };
        read_intervals(path, Metric::ALL, &mut add, &mut self.problems)
    }

    /// Adds a second that is not here yet, and what was recorded in it: for callers that read on as
    /// [`Follower`](super::Follower) does. Values beyond a metric's bound, of a newer sinkd, are
    /// left out. Costs about 5 us a metric.
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

    /// What was recorded of a metric; `None`: nothing.
    pub fn histogram(&self, metric: Metric) -> Option<&Histogram<u64>> {
        self.histograms.get(&metric)
    }

    /// The seconds with accepted messages, by Unix time, s.
    pub fn busy_seconds(&self) -> impl Iterator<Item = (u64, &Second)> {
        let busy = self.seconds.iter().filter(|(_, s)| s.counter(Counter::Messages) > 0);
        busy.map(|(second, counts)| (*second, counts))
    }

    /// A counter's sum.
    pub fn total(&self, counter: Counter) -> u64 {
        self.seconds.values().map(|second| second.counter(counter)).sum()
    }

    /// Returns whether no client connected, sent a message or got a reply.
    pub fn is_without_traffic(&self) -> bool {
        let counters = [Counter::Connections, Counter::Messages];
        counters.iter().all(|counter| self.total(*counter) == 0) && self.replies().is_empty()
    }

    /// Replies by code and enhanced code.
    pub fn replies(&self) -> BTreeMap<&str, u64> {
        let mut replies = BTreeMap::new();
        for (name, n) in self.seconds.values().flat_map(|second| &second.replies) {
            *replies.entry(name.as_str()).or_default() += n;
        }
        replies
    }
}

/// Reads what was recorded of `metrics` second by second in `span` (Unix s): `visit` gets metric,
/// second and histogram, in the order of the files; a second may come more than once. Gives what
/// could not be read, a sentence each.
///
/// For what needs more than sums: percentiles over time. Costs about 10 us a second and metric;
/// those not asked for cost next to nothing. Errors: the folder cannot be read; no statistics are
/// not an error.
pub fn each_interval(
    data: &Path,
    span: Range<u64>,
    metrics: &[Metric],
    mut visit: impl FnMut(Metric, u64, &Histogram<u64>),
) -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    for (stem, files) in files_in(data)? {
        let hour = stem.hour * HOUR_S..(stem.hour + 1) * HOUR_S;
        let Some(path) = files.get("hlog").filter(|_| overlap(&hour, &span)) else {
            continue;
        };
        let mut take = |metric, second, histogram: &Histogram<u64>| {
            if span.contains(&second) {
                visit(metric, second, histogram);
            }
            true
        };
        read_intervals(path, metrics, &mut take, &mut problems)?;
    }
    Ok(problems)
}

/// `take` gets metric, second and histogram of each line of these metrics, and says whether it
/// could take it.
fn read_intervals(
    path: &Path,
    metrics: &[Metric],
    take: &mut dyn FnMut(Metric, u64, &Histogram<u64>) -> bool,
    problems: &mut Vec<String>,
) -> io::Result<()> {
    let text = whole_lines(path)?;
    for (number, line) in unglued(&text, INTERVAL_BEGIN) {
        if is_of_another(line, metrics) {
            continue;
        }
        match interval_of(line) {
            Ok(Some((metric, second, histogram))) => {
                if !take(metric, second, &histogram) {
                    problems.push(problem(path, number, "values beyond the metric's bound"));
                }
            }
            Ok(None) => {}
            Err(what) => problems.push(problem(path, number, what)),
        }
    }
    Ok(())
}

/// Returns whether the line's metric is not one of these, from its beginning, without decoding the
/// rest.
fn is_of_another(line: &str, metrics: &[Metric]) -> bool {
    let tag = line.strip_prefix("Tag=").and_then(|rest| rest.split(',').next());
    tag.and_then(Metric::of).is_some_and(|metric| !metrics.contains(&metric))
}

fn problem(path: &Path, number: usize, what: &str) -> String {
    format!("{}:{}: {what}", path.display(), number + 1)
}

/// Returns the files of statistics, grouped by start and hour.
pub(super) fn files_in(data: &Path) -> io::Result<BTreeMap<Stem, Files>> {
    let mut all: BTreeMap<Stem, Files> = BTreeMap::new();
    let entries = match std::fs::read_dir(folder_of(data)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(all),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        if let Some((start, hour, ending)) = name.as_deref().and_then(parse_name) {
            let files = all.entry(Stem { start, hour }).or_default();
            files.insert(ending.to_owned(), path);
        }
    }
    Ok(all)
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The file's text without a last line that was cut (by a crash, or as it is being written).
fn whole_lines(path: &Path) -> io::Result<String> {
    let mut bytes = std::fs::read(path)?;
    let end = bytes.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A metric's values of one second.
pub(super) type Recorded = (Metric, u64, Histogram<u64>);

/// Metric, second and histogram of a line of an interval log; `None`: a comment, or a metric of a
/// newer version.
pub(super) fn interval_of(line: &str) -> Result<Option<Recorded>, &'static str> {
    if line.is_empty() || line.starts_with(['#', '"']) {
        return Ok(None);
    }
    let text = format!("{line}\n");
    let entry = IntervalLogIterator::new(text.as_bytes()).next();
    let Some(Ok(LogEntry::Interval(interval))) = entry else {
        return Err("not a line of an interval log");
    };
    let Some(metric) = interval.tag().and_then(|tag| Metric::of(tag.as_str())) else {
        return Ok(None);
    };
    let second = interval.start_timestamp().as_secs();
    let encoded = STANDARD.decode(interval.encoded_histogram()).map_err(|_| "not base64")?;
    let histogram = Deserializer::new()
        .deserialize(&mut io::Cursor::new(encoded))
        .map_err(|_| "not a histogram")?;
    Ok(Some((metric, second, histogram)))
}
