//! A run or a mark of a folder as a row.
use std::path::Path;

use serde::Serialize;

use super::clock::Clock;
use super::error::Error;
use super::gathered::counters;
use super::words::rfc3339;
use crate::log::{Mark, Run};
use crate::stats::Counter;

/// A run or a mark: an object of `sinkctl runs --json`. Keys keep their meaning.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RunRow {
    /// A span of time with a name.
    Run {
        /// Unlike any other's in the folder.
        name: String,
        /// The start of the run, RFC 3339.
        from: String,
        /// The end of the run; null: it is under way.
        until: Option<String>,
        /// Accepted messages, as statistics have them.
        messages: u64,
    },
    /// A moment with a text.
    Mark {
        /// RFC 3339.
        at: String,
        /// As the user wrote it.
        text: String,
    },
}

impl RunRow {
    /// Waits up to two seconds for statistics that are being written down.
    ///
    /// Errors: the statistics of `folder` can't be read.
    pub fn of_run(folder: &Path, run: &Run, clock: &dyn Clock) -> Result<RunRow, Error> {
        let span = run.from_ns..run.until_ns.unwrap_or(u64::MAX);
        Ok(RunRow::Run {
            name: run.name.clone(),
            from: rfc3339(run.from_ns),
            until: run.until_ns.map(rfc3339),
            messages: counters(folder, &span, clock)?.total(Counter::Messages),
        })
    }

    /// A mark as a row.
    pub fn of_mark(mark: &Mark) -> RunRow {
        RunRow::Mark { at: rfc3339(mark.at_ns), text: mark.text.clone() }
    }
}
