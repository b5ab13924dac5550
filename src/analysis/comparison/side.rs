//! One of the two runs: its folders, the side that recorded it, and its figures.
use std::collections::BTreeSet;
use std::path::Path;

use super::super::error::Error;
use super::super::folder::FolderSpans;
use super::super::statistics::RunStatistics;
use super::super::words::counted;
use super::kind::RecordedBy;
use super::not_comparable::NotComparable;
use crate::stats::{History, Measures};
use crate::time::Seconds;

/// A run to compare.
pub struct ComparedRun {
    /// 'A' or 'B'.
    pub letter: char,
    /// The run as the user named it, for sentences.
    pub name: String,
    /// Whether a sink or a sender recorded it.
    pub kind: RecordedBy,
    /// The statistics of all folders of the run, merged.
    pub gathered: RunStatistics,
    /// The measures of the run, with a value for each second.
    pub measures: Measures,
    /// Parts that could not be read, one sentence each.
    pub problems: BTreeSet<String>,
}

impl ComparedRun {
    /// Reads a run. `name` is the run as the user named it.
    ///
    /// Errors: a folder has no statistics, the statistics can't be read, or senders and sinks are
    /// mixed.
    pub fn gather(
        letter: char,
        name: &str,
        selection: FolderSpans<'_>,
    ) -> Result<ComparedRun, NotComparable> {
        let gathered = RunStatistics::read_complete(selection)?;
        let parts: Vec<_> =
            selection.parts().map(|(folder, span)| (folder, span.seconds())).collect();
        let unreadable = |source| NotComparable::Unreadable { name: name.to_owned(), source };
        let (measures, problems) = Measures::read(&parts).map_err(unreadable)?;
        let kind = match parts.len() {
            1 => RecordedBy::of(&gathered.history),
            _ => kind_of_all(letter, &parts)?,
        };
        let problems = gathered.history.problems.iter().cloned().chain(problems).collect();
        Ok(ComparedRun { letter, name: name.to_owned(), kind, gathered, measures, problems })
    }

    /// Returns why the figures are incomplete, one sentence per reason.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.problems.iter().cloned().collect();
        if let Some(lacking) = self.gathered.not_recorded.filter(|n| *n > 0) {
            let messages = counted(lacking, "message is", "messages are");
            let letter = self.letter;
            warnings.push(format!("{letter}: {messages} in the log and not in these figures"));
        }
        warnings
    }
}

/// Returns the common kind of all folders. Errors: the folders have both kinds, or can't be read.
fn kind_of_all(letter: char, parts: &[(&Path, Seconds)]) -> Result<RecordedBy, NotComparable> {
    let mut kinds = Vec::new();
    for (folder, span) in parts {
        let mut history = History::default();
        history.read(folder, *span).map_err(Error::statistics(folder))?;
        kinds.push(RecordedBy::of(&history));
    }
    match kinds.split_first() {
        Some((kind, others)) if others.iter().all(|other| other == kind) => Ok(*kind),
        _ => Err(NotComparable::Mixed(letter)),
    }
}
