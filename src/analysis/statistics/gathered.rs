//! Statistics recorded in a span, of one folder or merged from several.
use std::path::Path;
use std::time::Duration;

use super::unrecorded::UnrecordedMessages;
use super::written::{complete, patience_of, wait_until_written};
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::folder::ensure_statistics;
use crate::analysis::folder::holder;
use crate::analysis::transit::OverallTransit;
use crate::log::reader::Folder;
use crate::stats::{Calibration, History, OpenSessions, RunSummary, Verdict};
use crate::time::{Clock, Span, UnixNs};

/// How long claims wait for messages that are in the log but not yet in the figures: the current
/// second, plus a margin for a busy machine.
const PATIENCE_OF_CLAIMS: Duration = Duration::from_secs(3);

/// The merged statistics of a run.
pub struct RunStatistics {
    /// The recordings of all folders, merged.
    pub history: History,
    /// The totals and rates of these recordings.
    pub summary: RunSummary,
    /// What kept the run from being faster, with the evidence.
    pub verdict: Verdict,
    /// Sessions still open at the end of the span, which figures per session exclude.
    pub open_sessions: OpenSessions,
    /// Messages that the logs hold and the statistics lack; `None` if unknown.
    pub not_recorded: Option<u64>,
    /// Transit times of the messages in the logs; `None` without --sent-field.
    pub transit: Option<OverallTransit>,
}

impl RunStatistics {
    /// Returns the statistics of folders that must have some: a question about figures that do not
    /// exist has no answer. Waits up to two seconds for statistics that are still being written.
    ///
    /// Errors: a folder can't be read, does not exist, or has no statistics.
    pub fn read_recorded(selection: FolderSpans<'_>) -> Result<RunStatistics, AnalysisError> {
        selection.folders.iter().try_for_each(|folder| ensure_statistics(folder))?;
        RunStatistics::read(selection)
    }

    /// Returns statistics for claims and reports, which are made once. If a sinkd is running, this
    /// waits until the current second is written (up to three seconds). Then it waits up to three
    /// seconds while the log holds messages that the figures lack.
    pub fn read_complete(selection: FolderSpans<'_>) -> Result<RunStatistics, AnalysisError> {
        let clock = selection.clock;
        selection.folders.iter().try_for_each(|folder| ensure_statistics(folder))?;
        // Messages that arrive during the wait are not waited for, because that might never end.
        let accepted = accepted(selection);
        let second_ends_ns = UnixNs::of_second(clock.now().second() + 1);
        for (folder, span) in selection.parts() {
            if holder(folder).is_some() {
                let end_ns = span.until_ns.map_or(second_ends_ns, |ns| ns.min(second_ends_ns));
                wait_until_written(end_ns, clock);
            }
        }
        let read = || read(selection);
        let (history, not_recorded) = complete(PATIENCE_OF_CLAIMS, clock, read, || accepted)?;
        RunStatistics::summed(selection, history, not_recorded)
    }

    /// Reads the statistics if there are any. Waits up to two seconds for statistics that are still
    /// being written.
    pub fn read(selection: FolderSpans<'_>) -> Result<RunStatistics, AnalysisError> {
        let FolderSpans { spans, clock, .. } = selection;
        let (read, accepted) = (|| read(selection), || accepted(selection));
        let patience = patience_of(spans, clock.now());
        let (history, not_recorded) = complete(patience, clock, read, accepted)?;
        RunStatistics::summed(selection, history, not_recorded)
    }

    /// Returns the messages that the log holds and the figures lack; `None` if no such message is
    /// known.
    pub fn missing_messages(&self) -> Option<UnrecordedMessages> {
        let messages = self.not_recorded.filter(|n| *n > 0)?;
        Some(UnrecordedMessages { messages })
    }

    fn summed(
        selection: FolderSpans<'_>,
        history: History,
        not_recorded: Option<u64>,
    ) -> Result<RunStatistics, AnalysisError> {
        let summary = RunSummary::of(&history);
        let mut verdict = Verdict::of(&history, &summary);
        // Folders of several machines have no common ceiling.
        if let [folder] = selection.folders
            && !history.is_of_sender()
            && let Some(calibration) = Calibration::read(folder)
            && let Some(calibrated) = calibration.compare(&history, &summary)
        {
            verdict.calibrate(calibrated);
        }
        let open_sessions = OpenSessions::of(&history, open_at_end(selection, &history)?);
        Ok(RunStatistics { history, summary, verdict, open_sessions, not_recorded, transit: None })
    }
}

/// Returns the number of connections that were open at the last recorded second of each folder.
fn open_at_end(selection: FolderSpans<'_>, history: &History) -> Result<u64, AnalysisError> {
    let last = |history: &History| {
        history.seconds.values().next_back().map_or(0, |second| second.open_connections)
    };
    if selection.folders.len() == 1 {
        return Ok(last(history));
    }
    let mut open = 0;
    for (folder, span) in selection.parts() {
        let mut own = History::default();
        own.read_counters(folder, span.seconds()).map_err(AnalysisError::statistics(folder))?;
        open += last(&own);
    }
    Ok(open)
}

/// Reads the counters of a folder for a span. Waits up to two seconds for statistics
/// that are still being written.
///
/// Errors: the statistics can't be read.
pub fn counters(folder: &Path, span: Span, clock: &dyn Clock) -> Result<History, AnalysisError> {
    let (folders, spans) = ([folder.to_owned()], [span]);
    let selection = FolderSpans { folders: &folders, spans: &spans, clock };
    let read = || {
        let mut history = History::default();
        history.read_counters(folder, span.seconds()).map_err(AnalysisError::statistics(folder))?;
        Ok(history)
    };
    let patience = patience_of(&spans, clock.now());
    Ok(complete(patience, clock, read, || accepted(selection))?.0)
}

fn read(selection: FolderSpans<'_>) -> Result<History, AnalysisError> {
    let mut history = History::default();
    for (folder, span) in selection.parts() {
        history.read(folder, span.seconds()).map_err(AnalysisError::statistics(folder))?;
    }
    Ok(history)
}

/// Returns the number of accepted messages that the logs know of; `None` if a log can't be read.
/// When sinkd is killed, the current second is missing from the statistics, but its messages are in
/// the log.
fn accepted(selection: FolderSpans<'_>) -> Option<u64> {
    selection.parts().map(|(path, span)| accepted_in(path, span)).sum()
}

/// Returns the number of accepted messages that the log of a folder knows of; `None` if it can't be
/// read. For a limited span, messages that were removed, pruned or only counted are missing,
/// because the log keeps no time for them.
fn accepted_in(path: &Path, span: Span) -> Option<u64> {
    let folder = Folder::open(path).ok()?;
    if !span.is_all() {
        return Some(folder.listing(span.in_whole_seconds()).ok()?.len());
    }
    let pruned = folder.pruned().ok()?;
    let present = folder.messages() + folder.only_counted() + folder.removed();
    Some(present + pruned.messages + pruned.only_counted)
}
