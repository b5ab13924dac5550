//! Timeouts of the settings, in the unit that event loops use.
use std::time::Duration;

use crate::config::{self, Config};

/// The timeouts, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub command_ms: u64,
    pub data_ms: u64,
    pub storage_ms: u64,
    pub grace_ms: u64,
}

impl Times {
    pub fn from_config(config: &Config) -> Times {
        // Bounded, so that no deadline overflows.
        let ms = |d: Duration| d.min(config::TIME_MAX).as_millis() as u64;
        Times {
            command_ms: ms(config.timeouts.command),
            data_ms: ms(config.timeouts.data),
            storage_ms: ms(config.timeouts.storage_wait),
            grace_ms: ms(config.stop.grace),
        }
    }
}
