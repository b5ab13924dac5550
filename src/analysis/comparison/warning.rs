//! Why the figures of a comparison are incomplete, or have no verdict.
use crate::stats::StatsDamage;
use crate::wording::counted;

/// Why the figures of a comparison are incomplete, or have no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonWarning {
    /// A part of the statistics can't be read.
    #[error(transparent)]
    Damage(#[from] StatsDamage),
    /// The log of a run has messages that its figures lack.
    #[error(
        "{letter}: {} in the log and not in these figures",
        counted(*messages, "message is", "messages are")
    )]
    Unrecorded {
        /// 'A' or 'B'.
        letter: char,
        /// The number of these messages.
        messages: u64,
    },
    /// Both runs have seconds from the same recording.
    #[error(
        "{} in both A and B, so no difference is judged",
        counted(*.0, "second is", "seconds are")
    )]
    SharedSeconds(u64),
}
