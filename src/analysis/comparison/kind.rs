//! The side that recorded a run: sink or sender.
use crate::stats::{Counter, History, Metric};

/// The side that recorded a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedBy {
    /// sinkd, which received the mail.
    Sink,
    /// A sender, such as `sinkctl blast`, which sent it.
    Sender,
}

impl RecordedBy {
    /// Returns the name in `--json` and in sentences: `sink` or `sender`.
    pub fn name(self) -> &'static str {
        match self {
            RecordedBy::Sink => "sink",
            RecordedBy::Sender => "sender",
        }
    }

    /// Determines the side from what was recorded: a sink counts commands, and a sender has metrics
    /// of its own.
    pub(super) fn of(history: &History) -> RecordedBy {
        let is_of_sender = history.total(Counter::Commands) == 0
            && Metric::SENDER.iter().any(|metric| history.histogram(*metric).is_some());
        if is_of_sender { RecordedBy::Sender } else { RecordedBy::Sink }
    }
}
