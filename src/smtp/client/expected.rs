//! The replies that a client session expects, in the order of their commands.
use std::collections::VecDeque;

use crate::time::MonotonicUs;

use super::watch::Phase;

/// A reply that is expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedReply {
    /// The command that it answers.
    pub phase: Phase,
    /// When the command was written; `None` until then.
    pub written_us: Option<MonotonicUs>,
    /// Position in the output after the command.
    end: u64,
}

/// The replies that are expected, oldest command first.
#[derive(Debug)]
pub(super) struct ExpectedReplies {
    replies: VecDeque<ExpectedReply>,
    /// Number of replies, from the front, whose commands were written.
    written: usize,
}

impl ExpectedReplies {
    /// Expects the greeting, on a connection opened at `now_us`.
    pub fn greeting(now_us: MonotonicUs) -> ExpectedReplies {
        let greeting = ExpectedReply { phase: Phase::Greeting, written_us: Some(now_us), end: 0 };
        ExpectedReplies { replies: VecDeque::from([greeting]), written: 1 }
    }

    /// Sets the time at which the connection was opened, if the greeting is still expected.
    pub fn connected(&mut self, now_us: MonotonicUs) {
        if let Some(ExpectedReply { phase: Phase::Greeting, written_us, .. }) =
            self.replies.front_mut()
        {
            *written_us = Some(now_us);
        }
    }

    /// Returns the reply that must come next.
    #[inline]
    pub fn next(&self) -> Option<ExpectedReply> {
        self.replies.front().copied()
    }

    /// Returns whether no reply is expected.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Expects the reply to a queued command, which ends at this position in the output.
    #[inline]
    pub fn add(&mut self, phase: Phase, end: u64) {
        self.replies.push_back(ExpectedReply { phase, written_us: None, end });
    }

    /// Removes the oldest reply, which has arrived.
    #[inline]
    pub fn remove(&mut self) {
        self.replies.pop_front();
        self.written = self.written.saturating_sub(1);
    }

    /// Records that the output was written up to the position `written_to`.
    #[inline]
    pub fn mark_written(&mut self, written_to: u64, now_us: MonotonicUs) {
        while let Some(expected) = self.replies.get_mut(self.written)
            && expected.end <= written_to
        {
            expected.written_us = Some(now_us);
            self.written += 1;
        }
    }
}
