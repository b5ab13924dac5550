//! Reads the data of a report. Except for counters, the data does not grow with the length of the
//! run.
use std::path::PathBuf;

use hdrhistogram::Histogram;

use super::buckets::TimeBuckets;
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::groups::{GroupBy, GroupQuestion, GroupTable, find};
use crate::analysis::statistics::RunStatistics;
use crate::log::reader::{Folder, ReadError};
use crate::log::{Mark, Runs};
use crate::stats::{
    Counter, History, Metric, OpenSessions, RunSummary, Second, StatsDamage, Verdict, each_interval,
};
use crate::time::{Seconds, UnixNs};

/// Maximum number of columns for histograms over time, at 30 KiB each.
const COLUMNS_MAX: u64 = 140;

/// One of the folders of a report.
pub struct SourceFolder {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The span to read in this folder.
    span: Seconds,
    /// Messages accepted in the span.
    pub messages: u64,
    /// Connections open at the end of each second that has an entry; Unix seconds, ascending.
    pub open_connections: Vec<(u64, u64)>,
}

/// Maximum number of recipient domains shown.
const DOMAINS_SHOWN: usize = 15;

/// A run or a mark, to be drawn over time.
pub struct RunEvent {
    /// The start, in Unix seconds.
    pub from: f64,
    /// The end in Unix seconds; `None` for a mark, or a run in progress.
    pub until: Option<f64>,
    /// True for a run, false for a mark.
    pub is_run: bool,
    /// The name of the run, or the text of the mark.
    pub text: String,
}

/// What is drawn of one bucket.
pub struct TimeColumn {
    /// Transaction times in µs, of all messages accepted in the bucket.
    pub transactions: Histogram<u64>,
    /// The longest loop round of any worker in the bucket, in µs.
    pub longest_round_us: u64,
}

/// Why the recipient domains of a report are unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DomainsError {
    /// A folder has only statistics, as a sender's records do.
    #[error("{} has no log, only statistics", .0.display())]
    NoLog(PathBuf),
    /// A log can't be read.
    #[error(transparent)]
    Log(AnalysisError),
}

impl DomainsError {
    /// Returns the error and its causes as one sentence.
    pub fn sentence(&self) -> String {
        match self {
            DomainsError::NoLog(_) => self.to_string(),
            DomainsError::Log(error) => error.sentence(),
        }
    }
}

/// All data of a report.
pub struct ReportData {
    /// The recordings of all folders, merged.
    pub history: History,
    /// The totals and rates of these recordings.
    pub summary: RunSummary,
    /// What kept the run from being faster, with the evidence.
    pub verdict: Verdict,
    /// Sessions still open at the end of the span, which figures per session exclude.
    pub open_sessions: OpenSessions,
    /// The folders, in the order in which the user named them.
    pub sources: Vec<SourceFolder>,
    /// Messages that the logs hold and the statistics lack; `None` if unknown.
    pub not_recorded: Option<u64>,
    /// Parts of the statistics that could not be read.
    pub damage: Vec<StatsDamage>,
    /// Parts of the logs that could not be read, so that `domains` lacks their messages. The errors
    /// of single messages are limited in number.
    pub log_damage: Vec<ReadError>,
    /// The buckets of `columns`; `None` if nothing was recorded.
    pub timeline: Option<TimeBuckets>,
    /// One column per bucket of `timeline`.
    pub columns: Vec<TimeColumn>,
    /// Events by time, including those outside the span.
    pub events: Vec<RunEvent>,
    /// The recipient domains. A report is complete without them, so their error does not end it.
    pub domains: Result<GroupTable, DomainsError>,
}

impl ReportData {
    /// Reads all folders and merges them.
    ///
    /// `sent_field` is the header field for transit times.
    pub fn gather(
        selection: FolderSpans<'_>,
        sent_field: Option<&str>,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<ReportData, AnalysisError> {
        let RunStatistics { mut history, summary, verdict, open_sessions, not_recorded, .. } =
            RunStatistics::read_complete(selection)?;
        let mut sources = Vec::new();
        for (path, span) in selection.parts() {
            let (mut own, span) = (History::default(), span.seconds());
            own.read_counters(path, span).map_err(AnalysisError::statistics(path))?;
            let messages = own.total(Counter::Messages);
            let open =
                own.seconds.iter().map(|(second, counts)| (*second, counts.open_connections));
            let open_connections = open.collect();
            sources.push(SourceFolder { path: path.to_owned(), span, messages, open_connections });
        }
        let damage = std::mem::take(&mut history.damage);
        let (domains, log_damage) = domains(selection, sent_field, watch);
        let mut run = ReportData {
            history,
            summary,
            verdict,
            open_sessions,
            sources,
            not_recorded,
            damage,
            log_damage,
            timeline: None,
            columns: Vec::new(),
            events: events(selection.folders)?,
            domains,
        };
        if let Some(span) = run.span() {
            run.read_columns(TimeBuckets::divide(span, COLUMNS_MAX))?;
        }
        Ok(run)
    }

    /// Returns the span from the first to the last second in which a client was active.
    /// Seconds in which only sinkd was active are not part of the run.
    pub fn span(&self) -> Option<Seconds> {
        let mut active = self.history.seconds.iter().filter(|(_, second)| is_active(second));
        let (first, _) = active.next()?;
        let last = active.next_back().map_or(first, |(last, _)| last);
        Some(Seconds { start: *first, end: last + 1 })
    }

    fn read_columns(&mut self, buckets: TimeBuckets) -> Result<(), AnalysisError> {
        let empty =
            || TimeColumn { transactions: Metric::Transaction.histogram(), longest_round_us: 0 };
        let mut columns: Vec<TimeColumn> = (0..buckets.count()).map(|_| empty()).collect();
        const METRICS: [Metric; 2] = [Metric::Transaction, Metric::Round];
        for SourceFolder { path, span, .. } in &self.sources {
            let take = |metric, second, histogram: &Histogram<u64>| {
                let column = &mut columns[buckets.index(second)];
                match metric {
                    // Values beyond the bound are dropped; the history already reports those.
                    Metric::Transaction => drop(column.transactions.add(histogram)),
                    _ => column.longest_round_us = column.longest_round_us.max(histogram.max()),
                }
            };
            let damage = each_interval(path, span.intersection(buckets.span), &METRICS, take);
            for part in damage.map_err(AnalysisError::statistics(path))? {
                if !self.damage.contains(&part) {
                    self.damage.push(part);
                }
            }
        }
        (self.timeline, self.columns) = (Some(buckets), columns);
        Ok(())
    }
}

/// Returns the runs and marks of all folders, by time.
fn events(folders: &[PathBuf]) -> Result<Vec<RunEvent>, AnalysisError> {
    // Seconds and nanoseconds are converted separately, so that a whole second stays exact as a
    // float.
    let second = |at: UnixNs| {
        let second = at.second();
        second as f64 + at.ns_since(UnixNs::of_second(second)) as f64 / 1e9
    };
    let mut events = Vec::new();
    for folder in folders {
        let all = Runs::read(folder).map_err(AnalysisError::statistics(folder))?;
        events.extend(all.runs.into_iter().map(|run| RunEvent {
            from: second(run.from_ns),
            until: run.until_ns.map(second),
            is_run: true,
            text: run.name,
        }));
        let of_mark = |mark: Mark| RunEvent {
            from: second(mark.at_ns),
            until: None,
            is_run: false,
            text: mark.text,
        };
        events.extend(all.marks.into_iter().map(of_mark));
    }
    events.sort_by(|a, b| a.from.total_cmp(&b.from));
    Ok(events)
}

/// Reads the domains from envelopes: the index knows words, but neither domains nor times. Returns
/// what could not be read, too.
fn domains(
    selection: FolderSpans<'_>,
    sent_field: Option<&str>,
    watch: &mut dyn FnMut(u64, u64),
) -> (Result<GroupTable, DomainsError>, Vec<ReadError>) {
    if let Some(folder) = selection.folders.iter().find(|folder| !folder.join("segments").is_dir())
    {
        return (Err(DomainsError::NoLog(folder.clone())), Vec::new());
    }
    let (by, shown) = (GroupBy::RcptDomain, DOMAINS_SHOWN);
    match find(selection, GroupQuestion { by, shown, sent_field }, watch) {
        Ok(found) => {
            let faults = found.folders().flat_map(Folder::faults);
            let mut damage: Vec<ReadError> = faults.cloned().map(ReadError::Segment).collect();
            damage.extend(found.damage);
            (Ok(found.table), damage)
        }
        Err(error) => (Err(DomainsError::Log(error)), Vec::new()),
    }
}

fn is_active(second: &Second) -> bool {
    let counters = [
        Counter::Messages,
        Counter::Refused,
        Counter::Connections,
        Counter::TurnedAway,
        Counter::Closed,
        Counter::Commands,
    ];
    counters.into_iter().any(|counter| second.counter(counter) > 0)
}
