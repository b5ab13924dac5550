//! How far a worker has come with stopping.
use crate::server::shutdown::StopStage;
use crate::time::MonotonicMs;

/// How far a worker has come with stopping; the sink may be further.
#[derive(Debug, Clone, Copy, Default)]
pub enum Stopping {
    #[default]
    NotBegun,
    Begun {
        stage: StopStage,
        grace_ends_ms: MonotonicMs,
    },
}

impl Stopping {
    pub fn stage(self) -> StopStage {
        match self {
            Stopping::NotBegun => StopStage::Running,
            Stopping::Begun { stage, .. } => stage,
        }
    }

    #[inline]
    pub fn has_begun(self) -> bool {
        matches!(self, Stopping::Begun { .. })
    }

    /// Returns the time until the grace period ends; `None` before the stop begins.
    #[inline]
    pub fn grace_left_ms(self, now_ms: MonotonicMs) -> Option<u64> {
        match self {
            Stopping::NotBegun => None,
            Stopping::Begun { grace_ends_ms, .. } => Some(grace_ends_ms.ms_since(now_ms)),
        }
    }
}
