//! `[logging]`: messages on stderr.
use crate::config::setting::Setting;
use crate::config::value::quoted;
use crate::config::{LogFormat, LogLevel};

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "logging",
        "log_level",
        "LEVEL",
        "Least severe level to log on stderr: 'error', 'warn', 'info', 'debug' or 'trace'.",
        "'error', 'warn', 'info', 'debug' or 'trace'",
        |c, v| {
            c.logging.level = LogLevel::ALL.into_iter().find(|level| level.name() == v)?;
            Some(())
        },
        |c| quoted(c.logging.level.name())
    ),
    key!(
        "logging",
        "log_format",
        "FORMAT",
        "Format of the log: 'text' or 'json'.",
        "'text' or 'json'",
        |c, v| {
            c.logging.format = match v {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return None,
            };
            Some(())
        },
        |c| quoted(match c.logging.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    ),
];
