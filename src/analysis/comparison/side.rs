//! One of the two runs: its folders, the side that recorded it, and its figures.
use std::path::Path;

use super::kind::RecordedBy;
use super::not_comparable::NotComparable;
use super::warning::ComparisonWarning;
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::statistics::{RunStatistics, UnrecordedMessages};
use crate::stats::{History, Measures, StatsDamage};
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
    /// Parts that could not be read, each once, ordered by their text.
    pub damage: Vec<StatsDamage>,
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
        let (measures, damage) = Measures::read(&parts).map_err(unreadable)?;
        let kind = match parts.len() {
            1 => RecordedBy::of(&gathered.history),
            _ => kind_of_all(letter, &parts)?,
        };
        let mut damage = [gathered.history.damage.clone(), damage].concat();
        damage.sort_by_cached_key(StatsDamage::to_string);
        damage.dedup();
        Ok(ComparedRun { letter, name: name.to_owned(), kind, gathered, measures, damage })
    }

    /// Returns why the figures are incomplete.
    pub fn warnings(&self) -> Vec<ComparisonWarning> {
        let damage = self.damage.iter().cloned().map(ComparisonWarning::Damage);
        let lacking = self.gathered.missing_messages().map(|lacking| {
            let UnrecordedMessages { messages } = lacking;
            ComparisonWarning::Unrecorded { letter: self.letter, messages }
        });
        damage.chain(lacking).collect()
    }
}

/// Returns the common kind of all folders. Errors: the folders have both kinds, or can't be read.
fn kind_of_all(letter: char, parts: &[(&Path, Seconds)]) -> Result<RecordedBy, NotComparable> {
    let mut kinds = Vec::new();
    for (folder, span) in parts {
        let mut history = History::default();
        history.read(folder, *span).map_err(AnalysisError::statistics(folder))?;
        kinds.push(RecordedBy::of(&history));
    }
    match kinds.split_first() {
        Some((kind, others)) if others.iter().all(|other| other == kind) => Ok(*kind),
        _ => Err(NotComparable::Mixed(letter)),
    }
}
