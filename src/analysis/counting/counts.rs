//! Counts of messages.

use serde::Serialize;

use crate::analysis::error::AnalysisError;
use crate::analysis::statistics::counters;
use crate::log::reader::Folder;
use crate::stats::Counter;
use crate::time::{Clock, Span};

/// The message counts of a folder: the object of `sinkctl count --json`. Keys keep their meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounts {
    /// The name of the folder; the key is absent in the counts of all folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// All accepted messages that were neither removed nor pruned; for a span of time, only stored
    /// ones.
    pub messages: u64,
    /// Messages that listings show.
    pub stored: u64,
    /// Messages of which nothing was stored; null for a span of time, because they have no time.
    pub only_counted: Option<u64>,
    /// Removed messages, which are not among the others; their space is freed with their segment.
    /// Null for a span of time.
    pub removed: Option<u64>,
    /// Messages that the statistics count as accepted but the log no longer holds: removed, pruned,
    /// or only counted. Null for all of time.
    pub gone: Option<u64>,
}

impl MessageCounts {
    /// Counts all messages. Reads no file.
    pub fn of_all(folder: &Folder) -> MessageCounts {
        let (stored, only_counted) = (folder.messages(), folder.only_counted());
        MessageCounts {
            folder: None,
            messages: stored + only_counted,
            stored,
            only_counted: Some(only_counted),
            removed: Some(folder.removed()),
            gone: None,
        }
    }

    /// Counts the messages of a span. Waits up to two seconds for statistics that are
    /// still being written.
    ///
    /// Errors: the log or the statistics can't be read.
    pub fn of_span(
        folder: &Folder,
        span: Span,
        clock: &dyn Clock,
    ) -> Result<MessageCounts, AnalysisError> {
        let listing = folder.listing(span).map_err(AnalysisError::log(folder.path()))?;
        let stored = listing.present();
        let accepted = counters(folder.path(), span, clock)?.total(Counter::Messages);
        Ok(MessageCounts {
            messages: stored,
            stored,
            gone: Some(accepted.saturating_sub(stored)),
            ..MessageCounts::default()
        })
    }

    /// Adds the counts of several folders.
    pub fn sum(counts: &[MessageCounts]) -> MessageCounts {
        let sum = |of: fn(&MessageCounts) -> Option<u64>| counts.iter().map(of).sum();
        MessageCounts {
            folder: None,
            messages: counts.iter().map(|counts| counts.messages).sum(),
            stored: counts.iter().map(|counts| counts.stored).sum(),
            only_counted: sum(|counts| counts.only_counted),
            removed: sum(|counts| counts.removed),
            gone: sum(|counts| counts.gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_has_a_number_only_where_every_folder_has_one() {
        let all = MessageCounts {
            messages: 3,
            stored: 2,
            only_counted: Some(1),
            removed: Some(4),
            ..MessageCounts::default()
        };
        let twice = MessageCounts::sum(&[all.clone(), all.clone()]);
        let expected = MessageCounts {
            messages: 6,
            stored: 4,
            only_counted: Some(2),
            removed: Some(8),
            ..MessageCounts::default()
        };
        assert_eq!(twice, expected);
        let span = MessageCounts { only_counted: None, gone: Some(1), ..all.clone() };
        let mixed = MessageCounts::sum(&[all, span]);
        assert_eq!((mixed.only_counted, mixed.removed, mixed.gone), (None, Some(8), None));
    }
}
