//! Messages that the logs hold and the statistics lack.
use std::fmt;

use crate::wording::counted;

/// Messages that the logs hold and the statistics lack; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnrecordedMessages {
    /// The number of these messages.
    pub messages: u64,
}

impl fmt::Display for UnrecordedMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = counted(self.messages, "message is", "messages are");
        write!(
            f,
            "{missing} in the log and not in the figures: the current second, one in which sinkd \
             was killed, or mail that came while statistics were off"
        )
    }
}
