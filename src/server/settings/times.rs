//! Timeouts of the settings.
use std::time::Duration;

use crate::config::{self, Config};

/// The timeouts, bounded so that every deadline can be represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub command: Duration,
    pub data: Duration,
    pub storage: Duration,
    pub grace: Duration,
}

impl Times {
    pub fn from_config(config: &Config) -> Times {
        let bounded = |time: Duration| time.min(config::TIME_MAX);
        Times {
            command: bounded(config.timeouts.command),
            data: bounded(config.timeouts.data),
            storage: bounded(config.timeouts.storage_wait),
            grace: bounded(config.stop.grace),
        }
    }
}
