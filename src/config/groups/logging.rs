//! What sinkd logs on stderr, and how.

/// What sinkd logs on stderr, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingSettings {
    /// Least severe level to log.
    pub level: LogLevel,
    /// Format of the lines.
    pub format: LogFormat,
}

impl Default for LoggingSettings {
    fn default() -> LoggingSettings {
        LoggingSettings { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// The least severe level that sinkd logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only failures.
    Error,
    /// Also warnings.
    Warn,
    /// Also normal operation.
    Info,
    /// Also details for debugging.
    Debug,
    /// The most detailed level.
    Trace,
}

impl LogLevel {
    /// Every level, the most severe first.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// Returns the name in settings: the variant in lower case.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Format of the log lines on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of plain text for each event.
    Text,
    /// One JSON object per line.
    Json,
}
