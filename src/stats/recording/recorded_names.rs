//! Names of the recorded replies and listeners, which are numbered.
use super::interval::Interval;

/// What the numbers of replies and listeners in an [`Interval`] stand for.
#[derive(Debug, Clone, Default)]
pub struct RecordedNames {
    /// Code and enhanced code of each kind of reply (`250 2.1.0`).
    pub replies: Vec<String>,
    /// The names of the listeners; empty if listeners are not told apart.
    pub listeners: Vec<String>,
}

/// Names of replies only; listeners are not told apart.
impl From<Vec<String>> for RecordedNames {
    fn from(replies: Vec<String>) -> RecordedNames {
        RecordedNames { replies, listeners: Vec::new() }
    }
}

impl RecordedNames {
    /// Returns an empty interval with a place for each name.
    pub(super) fn interval(&self) -> Interval {
        Interval::by_listener(self.replies.len(), self.listeners.len())
    }
}
