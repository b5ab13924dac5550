//! `[stats]`: statistics, runs and marks.
use std::time::Duration;

use crate::config::bounds::time_between;
use crate::config::setting::{Setting, show_switch};
use crate::config::value::{SWITCH, parse_option, parse_switch, show_option, show_time};

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "stats",
        "stats",
        "on|off",
        "Record statistics in the data folder, for sinkctl stats.",
        SWITCH,
        |c, v| parse_switch(v).map(|on| c.stats.is_recorded = on),
        |c| show_switch(c, |c| c.stats.is_recorded)
    ),
    key!(
        "stats",
        "stats_retain_age",
        "DURATION",
        "Delete each hour's statistics after this time.",
        "a duration from 1h to 87600h, such as 720h, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(3600));
            parse_option(v, least).map(|t| c.stats.retain_age = t)
        },
        |c| show_option(c.stats.retain_age, show_time)
    ),
    key!(
        "stats",
        "run_after_idle",
        "DURATION",
        "Idle time after which the next message starts a new run; requires statistics.",
        "a duration from 1s to 87600h, such as 30s, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(1));
            parse_option(v, least).map(|t| c.stats.run_after_idle = t)
        },
        |c| show_option(c.stats.run_after_idle, show_time)
    ),
    key!(
        "stats",
        "noop_marks",
        "on|off",
        "Let clients set marks, and start and stop runs, with the commands 'NOOP sinkd mark TEXT', \
         'NOOP sinkd run start NAME' and 'NOOP sinkd run stop'.",
        SWITCH,
        |c, v| parse_switch(v).map(|on| c.noop_marks = on),
        |c| show_switch(c, |c| c.noop_marks)
    ),
];
