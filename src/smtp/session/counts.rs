//! What a session counts, because its limits depend on it.

/// The counts of a session. They stop at their maximum.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionCounts {
    /// Number of accepted messages.
    messages: u32,
    /// Number of 5xx replies.
    errors: u32,
}

impl SessionCounts {
    #[inline]
    pub fn messages(self) -> u32 {
        self.messages
    }

    #[inline]
    pub fn errors(self) -> u32 {
        self.errors
    }

    #[inline]
    pub fn count_message(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    #[inline]
    pub fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }
}
