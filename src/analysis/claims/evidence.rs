//! The evidence that claims are checked against.
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::limits::KeptLimits;
use crate::analysis::statistics::RunStatistics;

/// Statistics of a span, and the limits that clients kept to if a claim needs them.
pub struct Evidence {
    /// The statistics; the caller adds transit times if a claim needs them.
    pub gathered: RunStatistics,
    /// The limits that clients kept to; `None` if no claim needs them.
    pub limits: Option<KeptLimits>,
}

impl Evidence {
    /// Reads the evidence, after everything recorded so far was written. `windows_s` has the
    /// lengths of the windows in claims, in seconds; `None` if no claim is about limits.
    ///
    /// Errors: a folder has no statistics, or they can't be read.
    pub fn gather(
        selection: FolderSpans<'_>,
        windows_s: Option<Vec<u64>>,
    ) -> Result<Evidence, AnalysisError> {
        let gathered = RunStatistics::read_complete(selection)?;
        let limits = windows_s.map(|windows_s| KeptLimits::read(selection, &gathered, windows_s));
        Ok(Evidence { limits: limits.transpose()?, gathered })
    }
}
