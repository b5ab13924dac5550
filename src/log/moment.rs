//! Parses moments as people write them: RFC 3339, a date, or an age.
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::files::events;
use crate::time::{UnixNs, parse_duration};

/// A moment that a person wrote; moments before 1970 become 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub UnixNs);

/// The text is neither a time, nor a date, nor an age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time such as 2026-11-21T08:00:00Z, a date such as 2026-11-21 (0:00 UTC), or an \
     age such as 10m or 1d, found '{0}'"
)]
pub struct NotAMoment(pub String);

impl Moment {
    /// Parses a moment. Ages count back from `now_ns`.
    pub fn parse(text: &str, now_ns: UnixNs) -> Result<Moment, NotAMoment> {
        let day = || {
            let day: Date = text.parse().ok()?;
            Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        let ago = || {
            // An age must not be negative.
            let age = parse_duration(text).filter(|age| !age.is_negative())?;
            now_ns.timestamp().checked_sub(age).ok()
        };
        let moment = text.parse::<Timestamp>().ok().or_else(day).or_else(ago);
        let moment = moment.ok_or_else(|| NotAMoment(text.to_owned()))?;
        Ok(Moment(UnixNs::from(moment)))
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Moment, NotAMoment> {
        Moment::parse(text, events::now_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_parsed() {
        let now_ns = 1_795_248_000_000_000_000;
        for (text, expected) in [
            ("2026-11-21T08:00:00.5Z", 1_795_248_000_500_000_000),
            ("2026-11-21T09:00:00+01:00", now_ns),
            ("2026-11-21", now_ns - 8 * 3600 * 1_000_000_000),
            ("10m", now_ns - 600_000_000_000),
            ("2h 30s", now_ns - 7_230_000_000_000),
            ("0s", now_ns),
            ("1d", now_ns - 86_400_000_000_000),
            ("2w", now_ns - 14 * 86_400_000_000_000),
            ("1d 12h", now_ns - 129_600_000_000_000),
            ("1 day", now_ns - 86_400_000_000_000),
            ("1960-01-01T00:00:00Z", 0),
        ] {
            let expected = Moment(UnixNs::new(expected));
            assert_eq!(Moment::parse(text, UnixNs::new(now_ns)), Ok(expected), "{text}");
        }
        for text in
            ["-1d", "", "yesterday-ish", "10", "2026-13-01", "10 apples", "1mo", "1y", "1dd"]
        {
            assert!(Moment::parse(text, UnixNs::new(now_ns)).is_err(), "{text}");
        }
        let ago: Moment = "10m".parse().unwrap();
        let now: Moment = "0s".parse().unwrap();
        assert!(now.0.ns_since(ago.0) >= 600_000_000_000);
    }
}
