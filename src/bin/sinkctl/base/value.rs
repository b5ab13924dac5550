//! Parses the values of flags, with one parser per kind and one error for all.
use std::num::IntErrorKind;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use sinkd::config::parse_time;
use sinkd::log::MessageId;
use sinkd::sender::Positive;
pub use sinkd::wording::Unexpected;

/// A reference to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRef {
    Latest,
    Exactly(MessageId),
}

impl FromStr for MessageRef {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<MessageRef, Unexpected> {
        if text == "latest" {
            return Ok(MessageRef::Latest);
        }
        let expected = "a message ID such as 17:3, as printed by ls, or 'latest'";
        text.parse().map(MessageRef::Exactly).map_err(|_| Unexpected::new(expected, text))
    }
}

/// Returns a parser of whole numbers in `range` that fit into `T`. An error names an upper bound of
/// `u64::MAX` only if the number is above it.
pub fn number<T: TryFrom<u64> + Send + Sync + 'static>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, Unexpected> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse::<u64>();
        let in_range = number.as_ref().ok().filter(|number| range.contains(number));
        in_range.and_then(|number| T::try_from(*number).ok()).ok_or_else(|| {
            let is_beyond = number.is_err_and(|error| *error.kind() == IntErrorKind::PosOverflow);
            let expected = match (*range.start(), largest::<T>().min(*range.end())) {
                (0, u64::MAX) if !is_beyond => "a whole number".to_owned(),
                (min, u64::MAX) if !is_beyond => format!("a whole number, at least {min}"),
                (min, max) => format!("a whole number from {min} to {max}"),
            };
            Unexpected::new(expected, text)
        })
    }
}

/// Returns the largest number of an unsigned type.
fn largest<T: TryFrom<u64>>() -> u64 {
    let mut by_bits = (0..u64::BITS).map(|unused_bits| u64::MAX >> unused_bits);
    by_bits.find(|number| T::try_from(*number).is_ok()).unwrap_or(0)
}

/// Parses a whole number up to `u64::MAX`.
pub fn count(text: &str) -> Result<u64, Unexpected> {
    number(0..=u64::MAX)(text)
}

/// Parses a rate in messages per second.
pub fn rate(text: &str) -> Result<Positive, Unexpected> {
    let expected = "messages per second from 0.000001 to 10000000";
    positive(text, 1e7).ok_or_else(|| Unexpected::new(expected, text))
}

/// Parses a number from 0.000001 to `max`; `None` if it is not one.
pub fn positive(text: &str, max: f64) -> Option<Positive> {
    text.parse().ok().filter(|number| (1e-6..=max).contains(number)).and_then(Positive::new)
}

/// Parses a domain or an address literal (RFC 5321 section 4.1.2).
pub fn domain(text: &str) -> Result<String, Unexpected> {
    let is_good = sinkd::sender::is_mailbox(format!("x@{text}").as_bytes());
    let error = || Unexpected::new("a domain such as example.com", text);
    is_good.then(|| text.to_owned()).ok_or_else(error)
}

/// Parses a duration, which may be 0.
pub fn time(text: &str) -> Result<Duration, Unexpected> {
    let error = || Unexpected::new("a duration such as 250ms, 30s, 10m or 7d", text);
    parse_time(text).ok_or_else(error)
}

/// Parses a duration above 0.
pub fn time_above_0(text: &str) -> Result<Duration, Unexpected> {
    let error = || Unexpected::new("a duration above 0, such as 10s or 5m", text);
    parse_time(text).filter(|time| !time.is_zero()).ok_or_else(error)
}

/// Parses a number of bytes.
pub fn size(text: &str) -> Result<u64, Unexpected> {
    let error = || Unexpected::new("a size such as 4096, 64K or 10MiB (units: K, M, G, T)", text);
    sinkd::wording::parse_size(text).ok_or_else(error)
}

/// Parses the name of a header field (RFC 5322 section 3.6.8).
pub fn field_name(text: &str) -> Result<String, Unexpected> {
    let is_good = |octet: u8| octet.is_ascii_graphic() && octet != b':';
    let error = || Unexpected::new("the name of a header field, such as Date", text);
    (!text.is_empty() && text.bytes().all(is_good)).then(|| text.to_owned()).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_segment_and_a_slot_or_latest() {
        assert_eq!("latest".parse(), Ok(MessageRef::Latest));
        assert_eq!("17:3".parse(), Ok(MessageRef::Exactly(MessageId { segment: 17, slot: 3 })));
        for text in ["", "17", "17:", ":3", "17:3:1", "-1:3", "17:99999999999"] {
            assert!(text.parse::<MessageRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_lies_in_its_range_and_fits_its_type() {
        assert_eq!(number::<u64>(1..=500)("500"), Ok(500));
        assert_eq!(number::<u16>(0..=u64::MAX)("65535"), Ok(65_535));
        for (error, expected) in [
            (number::<u64>(1..=500)("501").err(), "a whole number from 1 to 500, found '501'"),
            (number::<u64>(1..=u64::MAX)("0").err(), "a whole number, at least 1, found '0'"),
            (
                number::<u16>(0..=u64::MAX)("65536").err(),
                "a whole number from 0 to 65535, found '65536'",
            ),
            (
                count("18446744073709551616").err(),
                "a whole number from 0 to 18446744073709551615, found '18446744073709551616'",
            ),
            (count("1.5").err(), "a whole number, found '1.5'"),
        ] {
            assert_eq!(error.unwrap().to_string(), format!("expected {expected}"));
        }
    }

    #[test]
    fn durations_have_units_up_to_weeks() {
        let seconds = |text: &str| parse_time(text).map(|time| time.as_secs_f64());
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
        assert!(time("0s").is_ok() && time_above_0("1ms").is_ok());
    }

    #[test]
    fn every_parser_says_what_it_expects_and_what_it_found() {
        for (error, text) in [
            ("x".parse::<MessageRef>().err(), "x"),
            (number::<u64>(1..=2)("3").err(), "3"),
            (rate("0").err(), "0"),
            (domain("a b").err(), "a b"),
            (time("soon").err(), "soon"),
            (time_above_0("0s").err(), "0s"),
            (size("1X").err(), "1X"),
            (field_name("a:").err(), "a:"),
        ] {
            let error = error.unwrap().to_string();
            assert!(error.starts_with("expected "), "{error}");
            assert!(error.ends_with(&format!(", found '{text}'")), "{error}");
        }
    }
}
