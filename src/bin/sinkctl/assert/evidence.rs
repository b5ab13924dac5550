//! What claims are checked against.
use std::path::PathBuf;

use crate::base::span::During;
use crate::limits::Kept;
use sinkd::analysis::Gathered;

/// Statistics of a span, and what clients kept to where a claim asks for it.
pub struct Evidence {
    pub gathered: Gathered,
    pub limits: Option<Kept>,
}

impl Evidence {
    /// Reads it, when all that was recorded until now is written down. `windows_s`: lengths of the
    /// windows that claims are about, in seconds; `None`: no claim is about limits.
    pub fn of(
        folders: &[PathBuf],
        during: &During,
        windows_s: Option<Vec<u64>>,
    ) -> anyhow::Result<Evidence> {
        let gathered = Gathered::of_settled(folders, &during.spans(folders)?)?;
        let limits = windows_s.map(|windows_s| Kept::of(folders, during, &gathered, windows_s));
        Ok(Evidence { limits: limits.transpose()?, gathered })
    }
}
