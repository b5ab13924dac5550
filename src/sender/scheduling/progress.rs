//! How far sending has come.
use crate::time::MonotonicNs;

/// How far sending has come; it only moves down this list.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Messages of the source are begun.
    Running {
        /// None is begun at this time or later.
        deadline_ns: Option<MonotonicNs>,
    },
    /// The source has no more messages, or is no longer used. Messages that were assigned to
    /// connections are still sent.
    Ended(TargetAtEnd),
    /// No message is begun.
    Stopped {
        /// When sending was stopped. The grace period of messages in progress begins then.
        at_ns: MonotonicNs,
        /// The target when the source ended.
        target: TargetAtEnd,
    },
}

/// The target when the last message of the source was assigned or returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetAtEnd {
    /// Some connection was useful, or none had failed for long.
    Reachable,
    /// No connection could be made or was useful.
    Lost,
}

impl Progress {
    /// Returns the time from which no message is begun; `None` if there is none, or if sending has
    /// ended.
    #[inline]
    pub fn deadline_ns(self) -> Option<MonotonicNs> {
        match self {
            Progress::Running { deadline_ns } => deadline_ns,
            Progress::Ended(_) | Progress::Stopped { .. } => None,
        }
    }

    /// Returns whether the source is no longer used.
    #[inline]
    pub fn is_ended(self) -> bool {
        !matches!(self, Progress::Running { .. })
    }

    /// Returns the target at the end of sending; `now` if sending has not ended. Connections that
    /// fail later don't count, because no message needs them.
    fn target(self, now: TargetAtEnd) -> TargetAtEnd {
        match self {
            Progress::Running { .. } => now,
            Progress::Ended(target) | Progress::Stopped { target, .. } => target,
        }
    }

    /// Returns whether no connection could be made or was useful when sending ended.
    pub fn is_lost(self) -> bool {
        self.target(TargetAtEnd::Reachable) == TargetAtEnd::Lost
    }

    /// Ends the use of the source, if it has not ended.
    pub fn end(&mut self, target: TargetAtEnd) {
        if let Progress::Running { .. } = self {
            *self = Progress::Ended(target);
        }
    }

    /// Stops sending at `now_ns`.
    pub fn stop(&mut self, now_ns: MonotonicNs, target: TargetAtEnd) {
        *self = Progress::Stopped { at_ns: now_ns, target: self.target(target) };
    }
}
