//! Changes of the folders that an audit does not see: mail that arrived meanwhile, and mail that
//! vanished without a record.

use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::folder::LogSource;
use crate::analysis::folder::open_folder;
use crate::analysis::statistics::counters;
use crate::stats::Counter;

/// Messages that the audit did not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangedSince {
    /// Messages that arrived since the folders were opened.
    pub arrived: u64,
    /// Messages that the statistics count, but that the log neither holds nor records as dropped: a
    /// segment was deleted, or not copied.
    pub vanished: u64,
}

impl ChangedSince {
    /// Checks all folders again. `gone`: the number of messages that were removed, pruned or only
    /// counted; `None` if it is unknown.
    ///
    /// Errors: a folder can't be read.
    pub fn check(
        sources: &[LogSource],
        selection: FolderSpans<'_>,
        gone: Option<u64>,
    ) -> Result<ChangedSince, AnalysisError> {
        let mut since = ChangedSince::default();
        for (source, (path, span)) in sources.iter().zip(selection.parts()) {
            let now = open_folder(path)?;
            if !span.is_over(selection.clock.now()) {
                since.arrived += now.messages().saturating_sub(source.folder.messages());
            }
            if span.is_all() && gone == Some(0) && path.join("stats").is_dir() {
                let accepted = counters(path, span, selection.clock)?.total(Counter::Messages);
                since.vanished += accepted.saturating_sub(now.messages());
            }
        }
        // A message may have arrived between the two checks.
        let vanished = if since.arrived > 0 { 0 } else { since.vanished };
        Ok(ChangedSince { vanished, ..since })
    }
}
