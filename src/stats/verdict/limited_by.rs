//! Who or what limits a run.
use serde::{Serialize, Serializer};

/// What kept a run from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedBy {
    /// The sender's own work between the sink's replies and its next commands, or before its
    /// payload.
    Sender,
    /// Round trips, bandwidth or losses.
    Network,
    /// Too few connections in lock-step: each side waited for the other.
    Connections,
    /// The sink: an event loop that was always busy, or an accept queue that overflowed.
    Sink,
    /// No limit stands out, or there is too little data.
    Undecided,
}

impl LimitedBy {
    /// Every value, in the order of the declaration.
    pub const ALL: [LimitedBy; 5] = [
        LimitedBy::Sender,
        LimitedBy::Network,
        LimitedBy::Connections,
        LimitedBy::Sink,
        LimitedBy::Undecided,
    ];

    /// Returns the name in `--json`, in claims and in sentences.
    pub fn name(self) -> &'static str {
        match self {
            LimitedBy::Sender => "sender",
            LimitedBy::Network => "network",
            LimitedBy::Connections => "connections",
            LimitedBy::Sink => "sink",
            LimitedBy::Undecided => "undecided",
        }
    }
}

impl Serialize for LimitedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
