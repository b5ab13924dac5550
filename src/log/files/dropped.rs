//! Pruned segments, and how many messages were pruned with them.
use serde::{Deserialize, Serialize};

/// Who dropped the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DroppedBy {
    /// Retention in a running sinkd.
    Sinkd,
    /// `sinkctl prune`, called by a person or a script.
    Sinkctl,
}

/// Dropped segments, and their messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Number of files.
    pub segments: u64,
    /// Number of messages that could be listed.
    pub messages: u64,
    /// Size of all messages, even if they were not stored in full.
    pub message_bytes: u64,
    /// Number of messages that were only counted.
    pub only_counted: u64,
    /// Number of the lowest segment.
    pub first: u32,
    /// Number of the highest segment.
    pub last: u32,
}

impl Dropped {
    /// Adds other dropped segments.
    pub fn add(&mut self, other: &Dropped) {
        if other.segments == 0 {
            return;
        }
        let is_first = self.segments == 0;
        self.first = if is_first { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        // Saturating, because the file may contain any numbers.
        self.segments = self.segments.saturating_add(other.segments);
        self.messages = self.messages.saturating_add(other.messages);
        self.message_bytes = self.message_bytes.saturating_add(other.message_bytes);
        self.only_counted = self.only_counted.saturating_add(other.only_counted);
    }
}

/// Merges entries with consecutive segment numbers; `all` must be sorted by number.
pub(crate) fn joined(all: &[Dropped]) -> Vec<Dropped> {
    let mut joined: Vec<Dropped> = Vec::new();
    for dropped in all {
        match joined.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(dropped.first) => last.add(dropped),
            _ => joined.push(*dropped),
        }
    }
    joined
}
