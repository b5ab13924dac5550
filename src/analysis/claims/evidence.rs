//! What claims are checked against.
use super::super::error::Error;
use super::super::gathered::RunStatistics;
use super::super::kept::KeptLimits;
use super::super::selection::FolderSpans;

/// Statistics of a span, and what clients kept to where a claim asks for it.
pub struct Evidence {
    /// Statistics; a caller adds transit times where a claim is about them.
    pub gathered: RunStatistics,
    /// What clients kept to; `None`: not asked for.
    pub limits: Option<KeptLimits>,
}

impl Evidence {
    /// Reads it, when all that was recorded until now is written down. `windows_s`: lengths of the
    /// windows that claims are about, in seconds; `None`: no claim is about limits.
    ///
    /// Errors: a folder has no statistics, or they can't be read.
    pub fn of(selection: FolderSpans<'_>, windows_s: Option<Vec<u64>>) -> Result<Evidence, Error> {
        let gathered = RunStatistics::of_settled(selection)?;
        let limits = windows_s.map(|windows_s| KeptLimits::of(selection, &gathered, windows_s));
        Ok(Evidence { limits: limits.transpose()?, gathered })
    }
}
