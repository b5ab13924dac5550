//! Values of flags: one parser for each kind, used by all commands.
use std::time::Duration;

use sinkd::log::MessageId;

/// Which message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    Latest,
    Exactly(MessageId),
}

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        if text == "latest" {
            return Ok(Id::Latest);
        }
        text.parse().map(Id::Exactly).map_err(|_| {
            format!("expected an id such as 17:3, as ls prints it, or 'latest', found '{text}'")
        })
    }
}

/// Messages a second.
pub fn rate(text: &str) -> Result<f64, String> {
    let expected = || format!("expected messages a second, 0.000001 to 10000000, found '{text}'");
    positive(text, 1e7).ok_or_else(expected)
}

/// A number above 0.
pub fn positive(text: &str, max: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (1e-6..=max).contains(number))
}

/// Or an address literal (RFC 5321 4.1.2).
pub fn domain(text: &str) -> Result<String, String> {
    let is_good = sinkd::sender::is_mailbox(format!("x@{text}").as_bytes());
    is_good
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected a domain such as example.com, found '{text}'"))
}

/// A time that is one.
pub fn time_above_0(text: &str) -> Result<Duration, String> {
    how_long(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("expected a time such as 10s or 5m, found '{text}'"))
}

pub fn time(text: &str) -> Result<Duration, String> {
    how_long(text).ok_or_else(|| format!("expected a time such as 250ms or 30s, found '{text}'"))
}

pub fn parse_age(text: &str) -> Result<Duration, String> {
    how_long(text).ok_or_else(|| format!("expected a time such as 30s, 10m or 7d, found '{text}'"))
}

pub fn parse_size(text: &str) -> Result<u64, String> {
    sinkd::config::parse_bytes(text)
        .ok_or_else(|| format!("expected a size such as 4096, 64K or 10MiB, found '{text}'"))
}

/// `250ms`, `10s`, `1h30m`, `1d`, `2w`; a bare number is seconds, as in sinkd's settings.
pub fn how_long(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(sinkd::log::length(text)?).ok()
}

/// RFC 5322 section 3.6.8.
pub fn field_name(text: &str) -> Result<String, String> {
    let is_good = |octet: u8| octet.is_ascii_graphic() && octet != b':';
    (!text.is_empty() && text.bytes().all(is_good))
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected the name of a header field such as Date, found '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!("latest".parse(), Ok(Id::Latest));
        assert_eq!("17:3".parse(), Ok(Id::Exactly(MessageId { segment: 17, slot: 3 })));
        for text in ["", "17", "17:", ":3", "17:3:1", "-1:3", "17:99999999999"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_have_units_up_to_weeks() {
        let seconds = |text: &str| how_long(text).map(|time| time.as_secs_f64());
        for (text, expected) in [
            ("250ms", Some(0.25)),
            ("10", Some(10.0)),
            ("1h30m", Some(5400.0)),
            ("1d", Some(86_400.0)),
            ("2w", Some(1_209_600.0)),
            ("1d12h", Some(129_600.0)),
            ("1mo", None),
            ("-1s", None),
            ("", None),
            ("d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for (parse, text) in
            [(time as fn(&str) -> _, "soon"), (time_above_0, "0s"), (parse_age, "x")]
        {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with("expected a time") && error.ends_with(&format!("found '{text}'"))
            );
        }
    }
}
