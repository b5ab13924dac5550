//! `[stop]`: when sinkd stops, and how long open transactions may then continue.
use std::time::Duration;

use crate::config::bounds::{
    COUNT_LARGE_OR_NONE, TIME, TIME_OR_NONE, count_large, parse_timeout, time_between,
};
use crate::config::setting::Setting;
use crate::config::value::{parse_option, show_number, show_option, show_time};

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "stop",
        "stop_grace",
        "DURATION",
        "How long transactions in progress may continue when sinkd stops.",
        TIME,
        |c, v| time_between(v, Duration::ZERO).map(|t| c.stop.grace = t),
        |c| show_time(c.stop.grace)
    ),
    key!(
        "stop",
        "stop_after_messages",
        "N",
        "Stop once exactly N messages have been accepted.",
        COUNT_LARGE_OR_NONE,
        |c, v| parse_option(v, count_large).map(|n| c.stop.after_messages = n),
        |c| show_option(c.stop.after_messages, show_number)
    ),
    key!(
        "stop",
        "stop_after_sessions",
        "N",
        "Stop once N sessions have ended.",
        COUNT_LARGE_OR_NONE,
        |c, v| parse_option(v, count_large).map(|n| c.stop.after_sessions = n),
        |c| show_option(c.stop.after_sessions, show_number)
    ),
    key!(
        "stop",
        "stop_after_idle",
        "DURATION",
        "Stop when no client has sent anything for this time.",
        TIME_OR_NONE,
        |c, v| parse_option(v, parse_timeout).map(|t| c.stop.after_idle = t),
        |c| show_option(c.stop.after_idle, show_time)
    ),
];
