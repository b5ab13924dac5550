//! `[timeouts]`: how long clients may be silent, and how long sinkd waits for room.
use std::time::Duration;

use crate::config::bounds::{TIME, TIMEOUT, parse_timeout, time_between};
use crate::config::setting::Setting;
use crate::config::value::show_time;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "timeouts",
        "command_timeout",
        "DURATION",
        "Maximum silence between commands (RFC 5321 section 4.5.3.2.7: 5 minutes).",
        TIMEOUT,
        |c, v| parse_timeout(v).map(|t| c.timeouts.command = t),
        |c| show_time(c.timeouts.command)
    ),
    key!(
        "timeouts",
        "data_timeout",
        "DURATION",
        "Maximum silence within mail data.",
        TIMEOUT,
        |c, v| parse_timeout(v).map(|t| c.timeouts.data = t),
        |c| show_time(c.timeouts.data)
    ),
    key!(
        "timeouts",
        "storage_wait",
        "DURATION",
        "How long a transfer waits for room in the log before it is answered with 452.",
        TIME,
        |c, v| time_between(v, Duration::ZERO).map(|t| c.timeouts.storage_wait = t),
        |c| show_time(c.timeouts.storage_wait)
    ),
];
