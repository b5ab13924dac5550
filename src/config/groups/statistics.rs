//! What is recorded about a run.
use std::time::Duration;

/// Whether statistics are recorded, how long they are kept, and when a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsSettings {
    /// Whether statistics are recorded in the data folder.
    pub is_recorded: bool,
    /// How long an hour's statistics are kept after its end; `None`: permanently.
    pub retain_age: Option<Duration>,
    /// Idle time after which the next message begins a new run; `None`: runs are only begun
    /// explicitly.
    pub run_after_idle: Option<Duration>,
}

impl StatisticsSettings {
    /// Returns settings with which no statistics are recorded.
    pub fn off() -> StatisticsSettings {
        StatisticsSettings { is_recorded: false, ..StatisticsSettings::default() }
    }
}

impl Default for StatisticsSettings {
    fn default() -> StatisticsSettings {
        StatisticsSettings { is_recorded: true, retain_age: None, run_after_idle: None }
    }
}
