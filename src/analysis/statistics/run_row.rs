//! The row of a run or a mark.
use std::path::Path;

use serde::Serialize;

use super::gathered::counters;
use crate::analysis::error::AnalysisError;
use crate::analysis::words::rfc3339;
use crate::log::{Mark, Run};
use crate::stats::{Counter, StatsDamage};
use crate::time::Clock;

/// A run or a mark: an object of `sinkctl runs --json`. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RunRow {
    /// A named span of time.
    Run {
        /// The name, which no other run of the folder has.
        name: String,
        /// The start of the run, RFC 3339.
        from: String,
        /// The end of the run; null while it is in progress.
        until: Option<String>,
        /// Accepted messages, according to the statistics.
        messages: u64,
    },
    /// A moment that a user, a client or sinkd labeled.
    Mark {
        /// The time, RFC 3339.
        at: String,
        /// The label.
        text: String,
    },
}

impl RunRow {
    /// Makes the row of a run, and returns which statistics it lacks because they are damaged.
    /// Waits up to two seconds for statistics that are still being written.
    ///
    /// Errors: the statistics of `folder` can't be read.
    pub fn of_run(
        folder: &Path,
        run: &Run,
        clock: &dyn Clock,
    ) -> Result<(RunRow, Vec<StatsDamage>), AnalysisError> {
        let history = counters(folder, run.span(), clock)?;
        let row = RunRow::Run {
            name: run.name.clone(),
            from: rfc3339(run.from_ns),
            until: run.until_ns.map(rfc3339),
            messages: history.total(Counter::Messages),
        };
        Ok((row, history.damage))
    }

    /// Makes the row of a mark. Reads no file.
    pub fn of_mark(mark: &Mark) -> RunRow {
        RunRow::Mark { at: rfc3339(mark.at_ns), text: mark.text.clone() }
    }
}
