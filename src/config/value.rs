//! Sizes, times, switches and "none", as people write them.
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

/// Returns a size as TOML, in the largest unit that divides it.
pub fn show_bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("\"{}{unit}\"", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Parses a duration: `5m`, `10s`, `250ms`, `1h30m`, `7d`; a bare number is seconds.
pub fn parse_time(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(crate::time::parse_duration(text)?).ok()
}

pub fn show_time(time: Duration) -> String {
    match SignedDuration::try_from(time) {
        Ok(time) => format!("\"{time:#}\"").replace(' ', ""),
        Err(_) => time.as_secs().to_string(),
    }
}

/// The values of a switch. TOML files can also use `true` and `false`.
pub const SWITCH: &str = "'on' or 'off'";

/// Parses `on` or `off`, in lower case; `None` for any other text.
pub fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Returns text as a TOML string, in quotes and escaped.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Parses `none` as `Some(None)`, and other text by `parse`. `None` if the text is neither.
pub fn parse_option<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "none" { Some(None) } else { parse(text).map(Some) }
}

/// Parses `none` as `Some(None)`, and other text as a path. `None` if the text is empty.
pub fn parse_path(text: &str) -> Option<Option<PathBuf>> {
    parse_option(text, |path| (!path.is_empty()).then(|| path.into()))
}

pub fn show_path(path: &Option<PathBuf>) -> String {
    show_option(path.as_deref(), |path| quoted(&path.to_string_lossy()))
}

pub fn show_number<T: ToString>(n: T) -> String {
    n.to_string()
}

pub fn show_option<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or("\"none\"".into(), show)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::parse_size;

    #[test]
    fn sizes_read_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 64 << 20, 5 << 30, 1 << 40, 1 << 60] {
            assert_eq!(parse_size(show_bytes(bytes).trim_matches('"')), Some(bytes));
        }
    }

    #[test]
    fn times_are_parsed() {
        for (text, ms) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("250ms", Some(250)),
            ("1h30m", Some(5_400_000)),
            ("7d", Some(7 * 86_400_000)),
            ("2w", Some(14 * 86_400_000)),
            ("1mo", None),
            ("soon", None),
            ("-5s", None),
        ] {
            assert_eq!(parse_time(text), ms.map(Duration::from_millis), "{text}");
        }
        for ms in [0, 250, 1500, 300_000, 5_400_000] {
            let time = Duration::from_millis(ms);
            let shown = show_time(time);
            assert_eq!(parse_time(shown.trim_matches('"')), Some(time), "{shown}");
        }
    }
}
