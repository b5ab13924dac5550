//! Tests of the table of settings.
use std::time::Duration;

use super::*;
use crate::config::Config;
use crate::config::value::parse_time;
use crate::wording::parse_size;

#[test]
fn values_are_checked_at_their_bounds() {
    let rows = [
        ("recipients_max", "0", false),
        ("recipients_max", "1", true),
        ("command_line_bytes_max", "511", false),
        ("command_line_bytes_max", "512", true),
        ("command_line_bytes_max", "64K", true),
        ("command_line_bytes_max", "65537", false),
        ("message_bytes_max", "4095MiB", true),
        ("message_bytes_max", "4G", false),
        ("workers", "0", false),
        ("workers", "auto", true),
        ("workers", "256", true),
        ("workers", "257", false),
        ("errors_max", "none", true),
        ("errors_max", "0", false),
        ("listen", "127.0.0.1", false),
        ("listen", "[::1]:0", true),
        ("listen", "lmtp:unix:/run/sinkd.sock", true),
        ("listen", "smtps:127.0.0.1:465", true),
        ("listen", "lmtps:127.0.0.1:465", false),
        ("tls", "required", true),
        ("tls", "implicit", false),
        ("tls", "on", false),
        ("tls_cert", "none", true),
        ("tls_client_certs", "auto", true),
        ("tls_client_certs", "on", false),
        ("auth_tls_only", "on", true),
        ("auth_tls_only", "true", false),
        ("http", "off", true),
        ("http", "[::1]:0", true),
        ("http", "8025", false),
        ("http", "unix:/run/sinkd.sock", false),
        ("store", "headers", true),
        ("store", "headers/10", false),
        ("store_rule", "*=none/10", true),
        ("store_rule", "none", false),
        ("stop_after_idle", "0s", false),
        ("transcript_sessions", "1/10", true),
        ("transcript_sessions", "1/1", false),
        ("transcript_sessions", "2/10", false),
        ("transcript", "", false),
        ("log_format", "xml", false),
        ("syntax", "lenient", true),
        ("syntax", "strict", true),
        ("syntax", "loose", false),
        ("noop_marks", "on", true),
        ("noop_marks", "true", false),
        ("hostname", "two words", false),
        ("command_timeout", "0s", false),
        ("command_timeout", "1ms", true),
        ("storage_wait", "0s", true),
        ("retain_bytes", "1024TiB", true),
        ("retain_bytes", "1025TiB", false),
        ("retain_bytes", "1048576GiB", true),
        ("retain_bytes", "1048577GiB", false),
    ];
    for (name, value, good) in rows {
        let key = all_settings().find(|k| k.name == name).unwrap();
        let mut config = Config::default();
        assert_eq!(key.apply(&mut config, value).is_ok(), good, "{name} = {value}");
    }
}

/// Returns the bounds: the words after `from` and after `to`.
fn bounds(expected: &str) -> Option<(&str, &str)> {
    let (_, rest) = expected.split_once(" from ")?;
    let (least, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("to ")?;
    Some((least, rest.split([' ', ',']).next()?))
}

/// Returns the value one byte or one millisecond below `least` (`None` if that is negative), and
/// the one above `most`.
fn beyond(least: &str, most: &str) -> (Option<String>, String) {
    if let (Some(least), Some(most)) = (parse_size(least), parse_size(most)) {
        return (least.checked_sub(1).map(|n| n.to_string()), (most + 1).to_string());
    }
    let (least, most) = (parse_time(least).unwrap(), parse_time(most).unwrap());
    let below = least.checked_sub(Duration::from_millis(1));
    let below = below.map(|time| format!("{}ms", time.as_millis()));
    (below, format!("{}ms", most.as_millis() + 1))
}

#[test]
fn every_range_states_its_bounds_and_they_are_right() {
    let mut ranges = 0;
    for key in all_settings() {
        let takes = |text: &str| key.apply(&mut Config::default(), text).is_ok();
        let is_number = ["7", "16", "4K", "128K", "64MiB", "1h"].iter().any(|text| takes(text));
        if !is_number || takes("neither a number nor a size") || takes("no-number") {
            continue;
        }
        let (least, most) = bounds(key.expected).unwrap_or_else(|| panic!("{}", key.name));
        ranges += 1;
        let (below, above) = beyond(least, most);
        assert!(takes(least) && takes(most), "{}: {}", key.name, key.expected);
        assert!(!takes(&above), "{}: takes {above}, expects {}", key.name, key.expected);
        let is_below_taken = below.is_some_and(|below| takes(&below));
        assert!(!is_below_taken, "{}: takes less than {}", key.name, key.expected);
    }
    assert_eq!(ranges, 29);
}

#[test]
fn a_refused_value_is_reported_with_what_was_expected_and_found() {
    for key in all_settings() {
        let bad = key.apply(&mut Config::default(), "").unwrap_err().to_string();
        assert_eq!(bad, format!("expected {}, found nothing", rule_or(key)), "{}", key.name);
    }
    let hostname = all_settings().find(|key| key.name == "hostname").unwrap();
    let long = hostname.apply(&mut Config::default(), &"x".repeat(256)).unwrap_err();
    assert!(long.to_string().starts_with("expected a name of 1 to 255 ASCII characters"), "{long}");
    assert!(hostname.apply(&mut Config::default(), &"x".repeat(255)).is_ok());
}

fn rule_or(key: &Setting) -> &'static str {
    match key.name {
        "store_rule" => "a domain and its mode, as in example.org=headers or *=none",
        _ => key.expected,
    }
}

#[test]
fn every_duration_has_an_upper_bound() {
    let mut durations = 0;
    for key in all_settings() {
        let mut config = Config::default();
        if key.apply(&mut config, "87600h").is_err() {
            continue;
        }
        // These settings accept `87600h` as text, not as a duration.
        let texts = [
            "data",
            "hostname",
            "name",
            "greeting",
            "auth_users",
            "tls_cert",
            "tls_key",
            "tls_client_ca",
            "transcript",
            "sequence_field",
        ];
        if texts.contains(&key.name) {
            continue;
        }
        durations += 1;
        assert!(key.expected.contains("87600h"), "{} says its bound", key.name);
        for above in ["87600h1s", "315360001", "18446744073709551615"] {
            assert!(key.apply(&mut config, above).is_err(), "{} = {above}", key.name);
        }
    }
    assert_eq!(durations, 9);
}
