//! How long a run of sending waits for a silent target.
use std::time::Duration;

use crate::time::MonotonicNs;

use super::decision::{OwnerRequest, RunContinuation};
use super::progress::Progress;
use crate::sender::settings::{Ends, SendingSettings};

/// How long a run of sending waits for a silent target.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimits {
    /// For a reply.
    pub timeout: Duration,
    /// For messages in progress after sending was stopped.
    grace: Duration,
    ends: Ends,
}

impl TimeLimits {
    /// Takes the limits from the settings.
    pub fn new(settings: &SendingSettings) -> TimeLimits {
        TimeLimits { timeout: settings.timeout, grace: settings.grace, ends: settings.ends }
    }

    /// Returns how long a connection on which no message depends may be silent.
    pub fn last_silence(&self) -> Duration {
        self.timeout.min(self.grace)
    }

    /// Returns whether to continue, to stop, or to close all connections at `now_ns`. `answered_ns`
    /// is when the target last answered a message from any thread.
    pub fn continuation(
        &self,
        progress: Progress,
        now_ns: MonotonicNs,
        answered_ns: Option<MonotonicNs>,
        request: OwnerRequest,
    ) -> RunContinuation {
        match (progress, request) {
            (Progress::Stopped { at_ns, .. }, _) if now_ns.since(at_ns) > self.grace => {
                RunContinuation::CloseAll
            }
            (Progress::Stopped { .. }, _) => RunContinuation::Continue,
            (_, OwnerRequest::Stop) => RunContinuation::Stop,
            _ if self.is_schedule_stalled(now_ns, answered_ns) => RunContinuation::Stop,
            _ => RunContinuation::Continue,
        }
    }

    /// Returns whether the target has answered no message for the full timeout since the end of
    /// the schedule.
    fn is_schedule_stalled(&self, now_ns: MonotonicNs, answered_ns: Option<MonotonicNs>) -> bool {
        let Ends::Scheduled(end) = self.ends else { return false };
        let end_ns = MonotonicNs::START.saturating_add(end);
        let since_ns = answered_ns.map_or(end_ns, |answered_ns| answered_ns.max(end_ns));
        now_ns.since(since_ns) >= self.timeout
    }
}
