//! What the numbers of replies and listeners stand for.
use super::interval::Interval;

/// What the numbers of replies and listeners stand for.
#[derive(Debug, Clone, Default)]
pub struct RecordedNames {
    /// Code and enhanced code of each kind of replies (`250 2.1.0`).
    pub replies: Vec<String>,
    /// What each listener is called; empty: listeners are not told apart.
    pub listeners: Vec<String>,
}

/// Kinds of replies, of listeners that are not told apart.
impl From<Vec<String>> for RecordedNames {
    fn from(replies: Vec<String>) -> RecordedNames {
        RecordedNames { replies, listeners: Vec::new() }
    }
}

impl RecordedNames {
    /// An empty interval for these numbers.
    pub(super) fn interval(&self) -> Interval {
        Interval::by_listener(self.replies.len(), self.listeners.len())
    }
}
