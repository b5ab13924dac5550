//! Parses a query for several folders.
use std::io;
use std::path::PathBuf;

use crate::index::query::{Query, QueryError};
use crate::log::Runs;
use crate::log::reader::Folder;
use crate::time::UnixNs;

/// Why a query can't be parsed for a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// The runs of a folder can't be read.
    #[error("{}: cannot read its runs", path.display())]
    Runs {
        /// The data folder, as the caller named it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The text is not a query, or names a run that no folder has. Displays the query with the
    /// error underlined.
    #[error("query: {error}\n{}", error.pointed_out(text))]
    Syntax {
        /// What is wrong, and where in the text.
        error: QueryError,
        /// The text as the user wrote it.
        text: String,
    },
}

/// Parses `text` once for each folder, because a run may exist in only one of them. Ages such as
/// `10m` count back from `now_ns`.
///
/// Errors: the runs can't be read; the text is not a query.
pub fn parse_queries(
    folders: &[Folder],
    text: &str,
    now_ns: UnixNs,
) -> Result<Vec<Query>, QuestionError> {
    let all = folders.iter().map(runs_of).collect::<Result<Vec<_>, _>>()?;
    (0..folders.len()).map(|n| parse(text, now_ns, &runs_for(&all, n))).collect()
}

/// Parses `text` for one folder, in the same way.
pub fn parse_query(folder: &Folder, text: &str, now_ns: UnixNs) -> Result<Query, QuestionError> {
    parse(text, now_ns, &runs_of(folder)?)
}

fn runs_of(folder: &Folder) -> Result<Runs, QuestionError> {
    let path = folder.path();
    Runs::read(path).map_err(|source| QuestionError::Runs { path: path.to_owned(), source })
}

fn parse(text: &str, now_ns: UnixNs, runs: &Runs) -> Result<Query, QuestionError> {
    let error = |error| QuestionError::Syntax { error, text: text.to_owned() };
    Query::parse(text, now_ns, runs).map_err(error)
}

/// Returns the runs that a query of folder `n` can name: its own, then those that only other
/// folders have.
fn runs_for(all: &[Runs], n: usize) -> Runs {
    let mut runs = all[n].clone();
    for run in all.iter().flat_map(|runs| &runs.runs) {
        if runs.find(&run.name).is_err() {
            runs.runs.push(run.clone());
        }
    }
    runs
}
