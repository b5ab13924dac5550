//! What was recorded in a span, of one folder or of many merged.
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use sinkd::log::reader::{Folder, Span};
use sinkd::stats::{Calibration, Counter, History, OpenSessions, Summary, Verdict};

use super::transit::Overall;
use crate::base::holder::holder;
use crate::base::span::During;
use crate::base::span::seconds;

/// A second is written down within this time after its end.
pub const WRITTEN_WITHIN: Duration = Duration::from_secs(2);
/// How long a claim waits for messages that are in the log and not yet in the figures: the second
/// under way, and what a busy machine may need more.
const PATIENCE_OF_CLAIMS: Duration = Duration::from_secs(3);
/// How often to look whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A run, merged.
pub struct Gathered {
    pub history: History,
    pub summary: Summary,
    pub verdict: Verdict,
    /// Those at the end of the span.
    pub open_sessions: OpenSessions,
    /// Messages that the logs hold and the statistics don't; `None` where that can't be told.
    pub not_recorded: Option<u64>,
    /// Of the messages in the logs; `None` without --sent-field.
    pub transit: Option<Overall>,
}

impl Gathered {
    /// The same, of folders that must have statistics: a claim about figures that do not exist is
    /// no answer.
    ///
    /// Errors, beside what can't be read: a folder that is not there, or has no statistics.
    pub fn of_recorded(folders: &[PathBuf], during: &During) -> anyhow::Result<Gathered> {
        folders.iter().try_for_each(|folder| ensure_statistics(folder))?;
        Gathered::of(folders, during)
    }

    /// The same for claims and reports, which are made once: where a sinkd runs, waits until the
    /// second under way is written down (up to three seconds); then up to three more while the log
    /// has messages that the figures lack.
    pub fn of_settled(folders: &[PathBuf], during: &During) -> anyhow::Result<Gathered> {
        folders.iter().try_for_each(|folder| ensure_statistics(folder))?;
        let spans = during.spans(folders)?;
        // What comes while it waits may go on for ever: it is not waited for.
        let accepted = accepted(folders, &spans);
        let second_ends = now().as_secs() + 1;
        for (folder, span) in folders.iter().zip(&spans) {
            if holder(folder).is_some() {
                wait_until_written(span.end.min(second_ends * 1_000_000_000));
            }
        }
        let read = || read(folders, &spans);
        let (history, not_recorded) = complete(PATIENCE_OF_CLAIMS, read, || accepted)?;
        Gathered::summed(folders, &spans, history, not_recorded)
    }

    /// Reads what was recorded. Waits up to two seconds for what is being written down at the
    /// moment.
    pub fn of(folders: &[PathBuf], during: &During) -> anyhow::Result<Gathered> {
        let spans = during.spans(folders)?;
        let (read, accepted) = (|| read(folders, &spans), || accepted(folders, &spans));
        let (history, not_recorded) = complete(patience_of(&spans), read, accepted)?;
        Gathered::summed(folders, &spans, history, not_recorded)
    }

    fn summed(
        folders: &[PathBuf],
        spans: &[Range<u64>],
        history: History,
        not_recorded: Option<u64>,
    ) -> anyhow::Result<Gathered> {
        let summary = Summary::of(&history);
        let mut verdict = Verdict::of(&history, &summary);
        // Several machines have no ceiling in common.
        if let [folder] = folders
            && !history.is_of_sender()
            && let Some(calibration) = Calibration::read(folder)
            && let Some(calibrated) = calibration.beside(&history, &summary)
        {
            verdict.calibrate(calibrated);
        }
        let open_sessions = OpenSessions::of(&history, open_at_end(folders, spans, &history)?);
        Ok(Gathered { history, summary, verdict, open_sessions, not_recorded, transit: None })
    }
}

/// Connections that were open when the last second of each folder was written down.
fn open_at_end(
    folders: &[PathBuf],
    spans: &[Range<u64>],
    history: &History,
) -> anyhow::Result<u64> {
    let last = |history: &History| {
        history.seconds.values().next_back().map_or(0, |second| second.open_connections)
    };
    if folders.len() == 1 {
        return Ok(last(history));
    }
    let mut open = 0;
    for (folder, span) in folders.iter().zip(spans) {
        let mut own = History::default();
        own.read_counters(folder, seconds(span))
            .with_context(|| format!("{}: cannot read its statistics", folder.display()))?;
        open += last(&own);
    }
    Ok(open)
}

/// Errors: `folder` is not there, or nothing was recorded in it.
pub fn ensure_statistics(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    anyhow::ensure!(folder.is_dir(), "{shown}: no such folder (choose one with --data)");
    anyhow::ensure!(
        folder.join("stats").is_dir(),
        "{shown}: no statistics: it is not a data folder of sinkd, or sinkd ran with --stats off"
    );
    Ok(())
}

/// The counters of a span.
pub fn counters(folder: &Path, span: &Range<u64>) -> anyhow::Result<History> {
    let (folders, spans) = ([folder.to_owned()], [span.clone()]);
    let read = || {
        let mut history = History::default();
        history.read_counters(folder, seconds(span))?;
        Ok(history)
    };
    let accepted = || accepted(&folders, &spans);
    Ok(complete(patience_of(&spans), read, accepted)?.0)
}

/// Reads again while fewer messages are recorded than were `accepted`, for as long as `patience`.
/// Returns how many are lacking at the end, too; `None` where the log can't tell.
fn complete(
    patience: Duration,
    read: impl Fn() -> anyhow::Result<History>,
    accepted: impl Fn() -> Option<u64>,
) -> anyhow::Result<(History, Option<u64>)> {
    let mut waited = Duration::ZERO;
    loop {
        let history = read()?;
        let recorded = history.total(Counter::Messages);
        let not_recorded = accepted().map(|accepted| accepted.saturating_sub(recorded));
        if not_recorded.is_none_or(|n| n == 0) || waited >= patience {
            return Ok((history, not_recorded));
        }
        std::thread::park_timeout(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
}

/// Waits until everything that happened before `end_ns` (Unix time, past) is written down.
pub fn wait_until_written(end_ns: u64) {
    let mut left = patience(end_ns);
    while !left.is_zero() {
        // May return early.
        std::thread::park_timeout(left);
        left = patience(end_ns);
    }
}

fn read(folders: &[PathBuf], spans: &[Range<u64>]) -> anyhow::Result<History> {
    let mut history = History::default();
    for (folder, span) in folders.iter().zip(spans) {
        history
            .read(folder, seconds(span))
            .with_context(|| format!("{}: cannot read its statistics", folder.display()))?;
    }
    Ok(history)
}

/// How long the last second of a span that ends at `end_ns` may still be on its way. A span without
/// an end has as much of the last second as there is.
fn patience(end_ns: u64) -> Duration {
    let written = Duration::from_nanos(end_ns).saturating_add(WRITTEN_WITHIN);
    match end_ns {
        u64::MAX => Duration::ZERO,
        _ => written.saturating_sub(now()).min(WRITTEN_WITHIN + Duration::from_secs(1)),
    }
}

/// The same for the span that ends last.
fn patience_of(spans: &[Range<u64>]) -> Duration {
    let end_ns = spans.iter().map(|span| span.end).max().unwrap_or(0);
    patience(end_ns).min(WRITTEN_WITHIN)
}

/// Unix time.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What the logs know to have been accepted. A second that was not over when sinkd was killed has
/// no line in the statistics; its messages are in the log.
fn accepted(folders: &[PathBuf], spans: &[Range<u64>]) -> Option<u64> {
    folders.iter().zip(spans).map(|(path, span)| accepted_in(path, span)).sum()
}

/// What the log of a folder knows to have been accepted. In a part of time that is less than what
/// was accepted: neither what was removed or pruned nor what was only counted has a time.
fn accepted_in(path: &Path, span: &Range<u64>) -> Option<u64> {
    let folder = Folder::open(path).ok()?;
    if *span != (0..u64::MAX) {
        // Statistics are kept by whole seconds.
        let Range { start, end } = seconds(span);
        let ns = |s: u64| s.saturating_mul(1_000_000_000);
        let span = Span { since_ns: Some(ns(start)), until_ns: Some(ns(end)) };
        return Some(folder.listing(span).ok()?.len());
    }
    let pruned = folder.pruned().ok()?;
    let present = folder.messages() + folder.only_counted() + folder.removed();
    Some(present + pruned.messages + pruned.only_counted)
}
