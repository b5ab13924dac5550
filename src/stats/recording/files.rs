//! The files in `stats/`: three for each start of sinkd and hour, and one more when the hour is
//! over.
//!
//! | name | what it is |
//! |---|---|
//! | `00000003-20261121T06.hlog` | an HdrHistogram interval log: a line per second and metric |
//! | `00000003-20261121T06.jsonl` | a line of counters for each second |
//! | `00000003-20261121T06.sessions` | what each connection did in each second |
//! | `00000003-20261121T06.hour.hlog` | the whole hour, a line for each metric |
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::interval::Interval;
use crate::stats::format::{CounterLine, HOUR_S, LineFile, StatsFileKind, Stem, folder_of};
use crate::stats::metrics::Metric;
use crate::stats::sessions::{BatchFile, encode as encode_sessions};
use crate::time::Seconds;

/// The files of the hour that is being written, and the sum of its seconds for the roll-up.
#[derive(Debug)]
struct Hour {
    hour: u64,
    log: LineFile,
    lines: LineFile,
    /// `None` if no connection was recorded yet, or if a sender is recording.
    sessions: Option<BatchFile>,
    total: Box<Interval>,
    /// Whether `total` covers every second of these files, because they are new.
    is_whole: bool,
    /// From the first to the last second in `total`.
    span: Option<Seconds>,
}

impl Hour {
    /// Writes the connections of a second, if there are any, and then its counters: both or
    /// neither. `path` is the file of connections.
    fn write_sessions(&mut self, interval: &Interval, line: &[u8], path: &Path) -> io::Result<()> {
        if interval.sessions().is_empty() {
            return self.lines.append(line);
        }
        let mut batches = Vec::new();
        encode_sessions(interval.second, interval.sessions(), &mut batches);
        let file = match &mut self.sessions {
            Some(file) => file,
            none => none.insert(BatchFile::open(path)?),
        };
        let whole_bytes = file.whole_bytes();
        file.append(&batches)?;
        self.lines.append(line).inspect_err(|_| file.truncate(whole_bytes))
    }
}

/// Where one start of sinkd, or one load, writes its statistics.
#[derive(Debug, Clone, Copy)]
pub struct StatsPlace<'a> {
    /// The data folder; its subfolder `stats` is created if it is missing.
    pub data: &'a Path,
    /// The number in the names of the files. If there are files of this start, they are continued.
    pub start_count: u32,
    /// How long the files of an hour are kept after its end; `None` keeps them permanently.
    pub retain: Option<Duration>,
}

/// Writes the statistics of each second.
#[derive(Debug)]
pub struct StatsWriter {
    folder: PathBuf,
    start: u32,
    replies: Vec<String>,
    current: Option<Hour>,
    /// Files of hours that ended longer ago than this are deleted; in seconds.
    retain_s: Option<u64>,
    /// Whether the last write failed. Of several failures in a row, only the first is logged.
    has_failed: bool,
}

impl StatsWriter {
    pub(super) fn open(place: &StatsPlace<'_>, replies: Vec<String>) -> io::Result<StatsWriter> {
        let folder = folder_of(place.data);
        std::fs::create_dir_all(&folder)?;
        let (start, retain_s) = (place.start_count, place.retain.map(|age| age.as_secs()));
        Ok(StatsWriter { folder, start, replies, current: None, retain_s, has_failed: false })
    }

    /// Writes a second. If that fails, the second is lost. Of several failures in a row, only the
    /// first is logged.
    pub(super) fn write(&mut self, interval: &Interval) {
        match self.try_write(interval) {
            Ok(()) => self.has_failed = false,
            Err(e) if !self.has_failed => {
                self.has_failed = true;
                tracing::warn!(error = %e, "statistics cannot be written, and are lost");
            }
            Err(_) => {}
        }
    }

    fn try_write(&mut self, interval: &Interval) -> io::Result<()> {
        let hour = interval.second / HOUR_S;
        if self.current.as_ref().is_none_or(|current| current.hour != hour) {
            self.end_hour();
            self.drop_older(hour);
            self.current = Some(self.begin_hour(hour)?);
        }
        let line = self.line(interval)?;
        let sessions = self.path(hour, StatsFileKind::Sessions);
        let current = self.current.as_mut().expect("begun above");
        let mut text = Vec::new();
        encode(interval, Duration::from_secs(interval.second), Duration::from_secs(1), &mut text)?;
        let whole_bytes = current.log.whole_bytes();
        current.log.append(&text)?;
        // Counters are written last. If that fails, the values are taken back, so that no second
        // has values without counters. Only a crash between the two writes can leave such values.
        current
            .write_sessions(interval, &line, &sessions)
            .inspect_err(|_| current.log.truncate(whole_bytes))?;
        let second = Seconds::of(interval.second);
        current.span = Some(current.span.map_or(second, |span| span.hull(second)));
        current.total.merge(interval);
        Ok(())
    }

    fn line(&self, interval: &Interval) -> io::Result<Vec<u8>> {
        let counters = interval.named_counters().into_iter().map(|(k, n)| (k.to_owned(), n));
        let replies = self.replies.iter().zip(interval.replies()).filter(|(_, n)| **n > 0);
        let mut line = CounterLine {
            second: interval.second,
            counters: counters.collect(),
            tenths: interval.tenths,
            busiest_us: interval.busiest_us,
            accept_queue: interval.accept_queue,
            open_connections: interval.open_connections,
            index_lag_messages: interval.index_lag_messages,
            index_lag_s: interval.index_lag_s,
            ..CounterLine::default()
        };
        for (name, n) in replies {
            *line.replies.entry(name.clone()).or_default() += n;
        }
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok(text)
    }

    fn begin_hour(&self, hour: u64) -> io::Result<Hour> {
        let open = |kind| LineFile::open(&self.path(hour, kind));
        let mut log = open(StatsFileKind::Values)?;
        let is_whole = log.is_empty();
        if is_whole {
            log.append(header(hour * HOUR_S).as_bytes())?;
        } else {
            // The clock was set back into an hour that was already rolled up.
            drop(std::fs::remove_file(self.path(hour, StatsFileKind::HourValues)));
        }
        let total = Box::new(Interval::new(self.replies.len()));
        let (lines, sessions) = (open(StatsFileKind::Counters)?, None);
        Ok(Hour { hour, log, lines, sessions, total, is_whole, span: None })
    }

    /// Deletes the files of hours beyond the retention, including those of earlier starts.
    fn drop_older(&self, hour: u64) {
        let (Some(retain_s), Ok(entries)) = (self.retain_s, std::fs::read_dir(&self.folder)) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((stem, _)) = name.to_str().and_then(Stem::parse) else { continue };
            if stem.hour.saturating_add(1).saturating_mul(HOUR_S).saturating_add(retain_s)
                < hour.saturating_mul(HOUR_S)
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::warn!(%error, file = ?name, "old statistics cannot be dropped");
            }
        }
    }

    fn path(&self, hour: u64, kind: StatsFileKind) -> PathBuf {
        self.folder.join(Stem { start: self.start, hour }.name(kind))
    }

    /// Rolls up the hour. Without the roll-up, readers read its seconds one by one.
    fn end_hour(&mut self) {
        let Some(hour) = self.current.take() else {
            return;
        };
        let Some(span) = hour.span.filter(|_| hour.is_whole && !hour.total.is_empty()) else {
            return;
        };
        let path = self.path(hour.hour, StatsFileKind::HourValues);
        let new = path.with_extension("hlog.new");
        let mut text = header(span.start).into_bytes();
        let (from, length) = (Duration::from_secs(span.start), Duration::from_secs(span.count()));
        let done = encode(&hour.total, from, length, &mut text)
            .and_then(|()| std::fs::write(&new, text))
            .and_then(|()| std::fs::rename(&new, path));
        if let Err(e) = done {
            // A part of an hour must not be mistaken for the whole hour.
            drop(std::fs::remove_file(new));
            tracing::warn!(error = %e, "could not write the hourly summary");
        }
    }

    /// Ends writing; no second follows.
    pub(super) fn close(mut self) {
        self.end_hour();
    }
}

fn header(start: u64) -> String {
    const LEGEND: &str =
        r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
    format!(
        "#[Histogram log format version 1.3]\n\
         #[StartTime: {start}.000 (seconds since epoch)]\n{LEGEND}\n"
    )
}

/// Encodes the lines of an interval log, one for each metric with values.
fn encode(
    interval: &Interval,
    start: Duration,
    length: Duration,
    text: &mut Vec<u8>,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(text, &mut serializer)?;
    for metric in Metric::ALL {
        let histogram = interval.histogram(*metric);
        if histogram.is_empty() {
            continue;
        }
        let tag = Tag::new(metric.tag());
        log.write_histogram(&histogram, start, length, tag)
            .map_err(|e| io::Error::other(format!("{}: {e}", metric.tag())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Counter;

    fn hour_of(name: &str) -> u64 {
        Stem::parse(name).unwrap().0.hour
    }

    #[test]
    fn hours_older_than_is_kept_go() {
        let dir = tempfile::tempdir().unwrap();
        let day = Some(Duration::from_secs(24 * HOUR_S));
        let place = StatsPlace { data: dir.path(), start_count: 7, retain: day };
        let mut writer = StatsWriter::open(&place, vec!["354".into()]).unwrap();
        let mut interval = Interval::new(1);
        interval.add(Counter::Messages, 1);
        for hour in [100, 101, 125, 126] {
            interval.second = hour * HOUR_S;
            writer.write(&interval);
        }
        writer.close();
        let names = std::fs::read_dir(folder_of(dir.path())).unwrap().flatten();
        let mut hours: Vec<u64> =
            names.map(|entry| hour_of(entry.file_name().to_str().unwrap())).collect();
        hours.sort_unstable();
        hours.dedup();
        assert_eq!(hours, [101, 125, 126]);
    }

    #[test]
    fn statistics_kept_for_the_longest_time_there_is_all_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut interval = Interval::new(1);
        interval.add(Counter::Messages, 1);
        for (start, hour) in [(1, 100), (2, 490_000)] {
            let retain = Some(Duration::from_secs(u64::MAX));
            let place = StatsPlace { data: dir.path(), start_count: start, retain };
            let mut writer = StatsWriter::open(&place, vec!["354".into()]).unwrap();
            interval.second = hour * HOUR_S;
            writer.write(&interval);
            writer.close();
        }
        let names = std::fs::read_dir(folder_of(dir.path())).unwrap().flatten();
        let hours = names.map(|entry| hour_of(entry.file_name().to_str().unwrap()));
        assert_eq!(hours.filter(|hour| *hour == 100).count(), 3);
    }

    /// `cargo test --release --lib a_day_of -- --ignored --nocapture` prints the cost of reading
    /// it.
    #[test]
    #[ignore = "writes half a gigabyte, and asserts no time"]
    fn a_day_of_seconds_is_read_by_its_hours() {
        let dir = tempfile::tempdir().unwrap();
        let place = StatsPlace { data: dir.path(), start_count: 1, retain: None };
        let mut writer = StatsWriter::open(&place, vec!["354".into()]).unwrap();
        let mut interval = Interval::new(1);
        for (place, metric) in Metric::ALL.iter().enumerate() {
            let value = |n: u64| (n * n + 1) * (1 + place as u64) % Metric::max(*metric);
            (0..200).for_each(|n| interval.record_n(*metric, value(n), 1));
        }
        interval.add(Counter::Messages, 50);
        let begin = 498_678 * HOUR_S;
        for second in begin..begin + 24 * HOUR_S {
            interval.second = second;
            writer.write(&interval);
        }
        writer.close();
        let part = Seconds { start: begin + 1800, end: begin + 23 * HOUR_S + 1800 };
        for span in [Seconds::ALL, part] {
            let began = std::time::SystemTime::now();
            let mut history = crate::stats::History::default();
            history.read(dir.path(), span).unwrap();
            let seconds = span.end.min(begin + 24 * HOUR_S) - span.start.max(begin);
            println!("{seconds} s, summarized in {:?}", began.elapsed().unwrap());
            assert_eq!(history.total(Counter::Messages), 50 * seconds);
        }
    }
}
