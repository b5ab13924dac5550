//! Reading what the report shows, into memory that does not grow with the length of the run but
//! for its counters.
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use hdrhistogram::Histogram;
use sinkd::log::{Mark, Runs};
use sinkd::stats::{
    Counter, History, Metric, OpenSessions, Second, Summary, Verdict, each_interval,
};

use super::buckets::Buckets;
use crate::base::progress::bar;
use crate::base::span::During;
use crate::base::span::seconds;
use sinkd::analysis::{By, Gathered, Question, Table, find};

/// Columns of what is shown over time by histograms: 30 KiB each.
const COLUMNS_MAX: u64 = 140;

/// A data folder.
pub struct Source {
    pub path: PathBuf,
    /// What is taken of it, Unix s.
    span: Range<u64>,
    pub messages: u64,
    /// Unix s, ascending, and connections open at the end of that second.
    pub open_connections: Vec<(u64, u64)>,
}

/// Recipient domains that are named.
const DOMAINS_SHOWN: usize = 15;

/// A run or a mark.
pub struct Event {
    /// Unix s.
    pub from: f64,
    /// The same; `None`: a mark, or a run that is under way.
    pub until: Option<f64>,
    pub is_run: bool,
    pub text: String,
}

/// What was recorded in a span of time.
pub struct Column {
    pub transactions: Histogram<u64>,
    pub longest_round_us: u64,
}

/// All that is known of a run.
pub struct Run {
    pub history: History,
    pub summary: Summary,
    pub verdict: Verdict,
    pub open_sessions: OpenSessions,
    pub sources: Vec<Source>,
    /// Messages of the logs that are not in the statistics; `None`: can't be told.
    pub not_recorded: Option<u64>,
    /// What could not be read.
    pub problems: Vec<String>,
    /// Over `columns`; `None`: nothing was recorded.
    pub timeline: Option<Buckets>,
    pub columns: Vec<Column>,
    /// By time; those outside the span included.
    pub events: Vec<Event>,
    /// The domains of the recipients; the error says why they are not known.
    pub domains: Result<Table, String>,
}

impl Run {
    /// Reads all folders and merges them.
    ///
    /// `sent_field`: the header field by which transit times are worked out.
    pub fn gather(
        folders: &[PathBuf],
        during: &During,
        sent_field: Option<&str>,
    ) -> anyhow::Result<Run> {
        let spans = during.spans(folders)?;
        let Gathered { mut history, summary, verdict, open_sessions, not_recorded, .. } =
            Gathered::of_settled(folders, &spans)?;
        let mut sources = Vec::new();
        for (path, span) in folders.iter().zip(&spans) {
            let (mut own, span) = (History::default(), seconds(span));
            own.read_counters(path, span.clone()).with_context(|| unreadable(path))?;
            let messages = own.total(Counter::Messages);
            let open =
                own.seconds.iter().map(|(second, counts)| (*second, counts.open_connections));
            let open_connections = open.collect();
            sources.push(Source { path: path.clone(), span, messages, open_connections });
        }
        let problems = std::mem::take(&mut history.problems);
        let mut run = Run {
            history,
            summary,
            verdict,
            open_sessions,
            sources,
            not_recorded,
            problems,
            timeline: None,
            columns: Vec::new(),
            events: events(folders)?,
            domains: domains(folders, &spans, sent_field),
        };
        if let Some(span) = run.span() {
            run.read_columns(Buckets::of(span, COLUMNS_MAX))?;
        }
        Ok(run)
    }

    /// From the first to the last second in which a client did anything, Unix s: that sinkd itself
    /// was awake before and after is not the run.
    pub fn span(&self) -> Option<Range<u64>> {
        let mut active = self.history.seconds.iter().filter(|(_, second)| is_active(second));
        let (first, _) = active.next()?;
        let last = active.next_back().map_or(first, |(last, _)| last);
        Some(*first..last + 1)
    }

    fn read_columns(&mut self, buckets: Buckets) -> anyhow::Result<()> {
        let empty =
            || Column { transactions: Metric::Transaction.histogram(), longest_round_us: 0 };
        let mut columns: Vec<Column> = (0..buckets.count()).map(|_| empty()).collect();
        const METRICS: [Metric; 2] = [Metric::Transaction, Metric::Round];
        for Source { path, span, .. } in &self.sources {
            let take = |metric, second, histogram: &Histogram<u64>| {
                let column = &mut columns[buckets.index(second)];
                match metric {
                    // Refused only if it is beyond the bounds: the history says so already.
                    Metric::Transaction => drop(column.transactions.add(histogram)),
                    _ => column.longest_round_us = column.longest_round_us.max(histogram.max()),
                }
            };
            let problems = each_interval(path, both(span, &buckets.span), &METRICS, take);
            for problem in problems.with_context(|| unreadable(path))? {
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
        }
        (self.timeline, self.columns) = (Some(buckets), columns);
        Ok(())
    }
}

/// Runs and marks of all folders, by time.
fn events(folders: &[PathBuf]) -> anyhow::Result<Vec<Event>> {
    // Apart: as a float, nanoseconds are not exact, and a whole second must be one.
    let second = |ns: u64| (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9;
    let mut events = Vec::new();
    for folder in folders {
        let all = Runs::read(folder).with_context(|| unreadable(folder))?;
        events.extend(all.runs.into_iter().map(|run| Event {
            from: second(run.from_ns),
            until: run.until_ns.map(second),
            is_run: true,
            text: run.name,
        }));
        let of_mark = |mark: Mark| Event {
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

/// Read from envelopes: the index has words, and knows neither domains nor times.
fn domains(
    folders: &[PathBuf],
    spans: &[Range<u64>],
    sent_field: Option<&str>,
) -> Result<Table, String> {
    if let Some(folder) = folders.iter().find(|folder| !folder.join("segments").is_dir()) {
        return Err(format!("{} has no log, only statistics", folder.display()));
    }
    let (by, shown) = (By::RcptDomain, DOMAINS_SHOWN);
    let found = find(folders, Question { spans, by, shown, sent_field }, &mut bar("messages"));
    found.map(|found| found.table).map_err(|error| format!("{error:#}"))
}

/// What two spans have in common.
fn both(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    let start = one.start.max(other.start);
    start..one.end.min(other.end).max(start)
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

fn unreadable(path: &std::path::Path) -> String {
    format!("{}: its statistics can't be read", path.display())
}
