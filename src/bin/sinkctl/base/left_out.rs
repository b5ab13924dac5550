//! Reports once on stderr what an answer lacks, in the same way for all commands that read.
//!
//! Segments that are pruned while a command reads are skipped and counted; the answer is complete
//! without them. The command reports damage and losses, and exits with 1. If an answer is empty
//! only because everything was pruned before it could be read, the command tries again, and finally
//! reports that it has no answer.
use std::fmt::{self, Display};

use sinkd::analysis::Attempts;
use sinkd::index::{IndexFault, UnusableIndex};
use sinkd::log::reader::{Damage, Folder, PrunedUnread, ReadError, SegmentError};
use sinkd::wording::counted;

use crate::base::advice::about_message;
use crate::base::outcome::Finding;

/// Counts what a command could not read while it continued with the rest.
#[derive(Debug, Default)]
pub struct FolderOmissions {
    damaged: u64,
}

impl FolderOmissions {
    /// Reports damage on stderr.
    pub fn report(&mut self, what: impl Display) {
        eprintln!("sinkctl: {what:#}");
        self.damaged += 1;
    }

    /// Reports an error, unless the segment was pruned, which the folder counts.
    pub fn report_error(&mut self, error: &ReadError) {
        if !matches!(error, ReadError::Pruned { .. }) {
            self.report(format!("{error}{}", about_message(error).unwrap_or_default()));
        }
    }

    /// Reports the faults of the folder as a whole, and what was pruned meanwhile.
    pub fn finish(mut self, folder: &Folder) -> Finding {
        for fault in folder.faults() {
            self.report(fault);
        }
        self.finish_without_faults(folder)
    }

    /// Reports what was pruned meanwhile; the caller has reported the faults of the folder.
    pub fn finish_without_faults(self, folder: &Folder) -> Finding {
        report_pruned_unread(&folder.pruned_unread());
        if self.damaged == 0 { Finding::Done } else { Finding::Incomplete }
    }
}

/// Reports what was pruned while the command read, if anything.
pub fn report_pruned_unread(pruned_unread: &PrunedUnread) {
    let PrunedUnread { segments, messages } = *pruned_unread;
    if segments > 0 {
        let segments = counted(segments, "segment", "segments");
        let messages = counted(messages, "message", "messages");
        eprintln!("sinkctl: skipped {segments} ({messages}) that were pruned during the command");
    }
}

/// What an answer is like where the index is unusable.
#[derive(Debug, Clone, Copy)]
pub enum WithoutIndex {
    /// The answer is complete, but took longer.
    MailWasSearched,
    /// Messages are listed without what the index stores of their content.
    ContentIsMissing,
}

impl fmt::Display for WithoutIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WithoutIndex::MailWasSearched => "the mail itself was searched instead",
            WithoutIndex::ContentIsMissing => {
                "its messages are listed without their subjects and whatever else the index has"
            }
        })
    }
}

/// Reports segments whose index is unusable.
pub fn report_unusable(
    folder: Option<String>,
    indexes: &[UnusableIndex],
    without_index: WithoutIndex,
) {
    let folder = folder.map(|folder| format!("{folder}: ")).unwrap_or_default();
    let of_first = |segments: &[u32]| match segments {
        [] => None,
        [first] => Some(first.to_string()),
        [first, others @ ..] => {
            Some(format!("{first} and {}", counted(others.len() as u64, "other", "others")))
        }
    };
    let (mut damaged, mut unread, mut error) = (Vec::new(), Vec::new(), None);
    for UnusableIndex { segment, fault } in indexes {
        match fault {
            IndexFault::Io(cause) => {
                unread.push(*segment);
                error.get_or_insert(cause);
            }
            _ => damaged.push(*segment),
        }
    }
    if let Some(segments) = of_first(&damaged) {
        eprintln!(
            "sinkctl: {folder}the index of segment {segments} is damaged or has another version; \
             {without_index}. To rebuild the index: sinkctl reindex"
        );
    }
    if let Some((segments, cause)) = of_first(&unread).zip(error) {
        eprintln!(
            "sinkctl: {folder}the index of segment {segments} cannot be read ({cause}); \
             {without_index}"
        );
    }
}

/// Reports the faults of the folder and what was pruned meanwhile on stderr.
pub fn report_left_out(folder: &Folder) -> Finding {
    FolderOmissions::default().finish(folder)
}

/// Returns `finding`, or reports that there is no answer.
pub fn finding_of(attempts: Attempts, finding: Finding) -> Finding {
    match attempts {
        Attempts::Answered => finding,
        Attempts::Outpaced => {
            eprintln!("sinkctl: {}", NoAnswer::Outpaced);
            Finding::Incomplete
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error(
        "no answer: all of the data was pruned before it could be read; try again, or keep more \
         data"
    )]
    Outpaced,
    #[error("no messages yet")]
    NoMessages,
    #[error("every message is damaged")]
    AllDamaged,
    #[error("the newest message is damaged; name the message to remove by its ID")]
    LatestDamaged,
}

impl NoAnswer {
    fn finding(&self) -> Finding {
        match self {
            NoAnswer::NoMessages => Finding::NothingFound,
            NoAnswer::Outpaced | NoAnswer::AllDamaged | NoAnswer::LatestDamaged => {
                Finding::Incomplete
            }
        }
    }
}

/// Returns what an error means for the answer, if the requested data is missing or damaged. `None`:
/// the command cannot run.
pub fn finding_of_error(error: &anyhow::Error) -> Option<Finding> {
    error.chain().find_map(|cause| {
        let read = || cause.downcast_ref().and_then(finding_of_read_error);
        let damage = || cause.downcast_ref().and_then(finding_of_damage);
        let segment = || cause.is::<SegmentError>().then_some(Finding::Incomplete);
        let no_answer = cause.downcast_ref().map(NoAnswer::finding);
        no_answer.or_else(read).or_else(damage).or_else(segment)
    })
}

fn finding_of_read_error(error: &ReadError) -> Option<Finding> {
    match error {
        ReadError::Damage(damage) => finding_of_damage(damage),
        ReadError::Segment(_) => Some(Finding::Incomplete),
        ReadError::NoSuchMessage { .. } | ReadError::Removed { .. } => Some(Finding::NothingFound),
        _ => None,
    }
}

/// Returns what damage means for the answer. `None` for a slot that does not exist, which is damage
/// only if the caller found it in a list.
fn finding_of_damage(damage: &Damage) -> Option<Finding> {
    (!matches!(damage, Damage::NoSuchSlot { .. })).then_some(Finding::Incomplete)
}
