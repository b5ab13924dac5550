//! Parses the time at which a message was sent, from a header field (docs/stats-format.md, *Transit
//! times*).
use jiff::fmt::rfc2822::DateTimeParser;

/// Name, in lower case, of the field that the index reads; `sinkctl blast` writes it.
pub(super) const SENT_FIELD: &[u8] = b"x-sent";
/// RFC 5322 dates; a wrong day of the week is ignored.
const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// The time in the first `X-Sent` field of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SentTime {
    /// The message has no such field.
    #[default]
    Absent,
    /// The field has no time in a known form, or one before 1970 or after 2554.
    NotATime,
    /// The time in the field, as Unix time in ns.
    At(u64),
}

impl SentTime {
    /// Parses the value of the field, which must be unfolded.
    pub fn of(value: &[u8]) -> SentTime {
        let ns = moment(value).and_then(|(us, _)| u64::try_from(us).ok()?.checked_mul(1_000));
        ns.map_or(SentTime::NotATime, SentTime::At)
    }
}

/// The unit in which a sender wrote a time, which bounds its precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// The value is Unix time in ms: 13 digits.
    Millisecond,
    /// The value is Unix time in s (10 digits), or a date of RFC 5322.
    Second,
}

/// Returns the Unix time in µs that a field's value names: 13 digits (ms), 10 digits (s) or a date
/// of RFC 5322. Returns `None` for any other value.
///
/// `value` must be unfolded, and can have any octets.
pub fn moment(value: &[u8]) -> Option<(i64, Resolution)> {
    let text = str::from_utf8(value).ok()?.trim();
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            13 => Some((number * 1_000, Resolution::Millisecond)),
            10 => Some((number * 1_000_000, Resolution::Second)),
            _ => None,
        };
    }
    let date = DATES.parse_timestamp(text).ok()?;
    Some((date.as_microsecond(), Resolution::Second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_milliseconds_seconds_or_a_date_and_nothing_else() {
        let second = 1_795_248_000_000_000;
        for (value, expected) in [
            ("1795248000123", Some((second + 123_000, Resolution::Millisecond))),
            ("1795248000", Some((second, Resolution::Second))),
            ("Sat, 21 Nov 2026 08:00:00 +0000", Some((second, Resolution::Second))),
            // A wrong day of the week, an obsolete zone name, and a comment.
            ("Mon, 21 Nov 2026 03:00:00 EST (late)", Some((second, Resolution::Second))),
            ("21 Nov 2026 09:00:00 +0100", Some((second, Resolution::Second))),
            ("1795248000.5", None),
            ("17952480001234567890", None),
            ("179524800012", None),
            ("-1795248000", None),
            ("2026-11-21T08:00:00Z", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(moment(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(moment(b"\xff"), None);
    }

    #[test]
    fn a_sent_time_is_from_1970_to_2554() {
        for (value, expected) in [
            ("1795248000123", SentTime::At(1_795_248_000_123_000_000)),
            ("0000000000", SentTime::At(0)),
            ("9999999999", SentTime::At(9_999_999_999_000_000_000)),
            ("21 Nov 1969 08:00:00 +0000", SentTime::NotATime),
            ("21 Jul 2554 08:00:00 +0000", SentTime::At(18_446_688_000_000_000_000)),
            ("21 Nov 2600 08:00:00 +0000", SentTime::NotATime),
            ("soon", SentTime::NotATime),
        ] {
            assert_eq!(SentTime::of(value.as_bytes()), expected, "{value}");
        }
    }
}
