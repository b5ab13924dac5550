//! A moment as people name it: RFC 3339, a day, or how long ago.
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::events;

/// A moment, ns since the Unix epoch; one before the epoch is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// It is none of the three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 2026-11-21T08:00:00Z, 2026-11-21 (its first moment, UTC), or how long ago, such as \
     10m; found '{0}'"
)]
pub struct NotAMoment(pub String);

impl Moment {
    /// `now_ns`: what "ago" counts from, ns since the Unix epoch.
    pub fn parse(text: &str, now_ns: u64) -> Result<Moment, NotAMoment> {
        let day = || {
            let day: Date = text.parse().ok()?;
            Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        let ago = || {
            let span: SignedDuration = text.parse().ok()?;
            Timestamp::from_nanosecond(i128::from(now_ns)).ok()?.checked_sub(span).ok()
        };
        let moment = text.parse::<Timestamp>().ok().or_else(day).or_else(ago);
        let moment = moment.ok_or_else(|| NotAMoment(text.to_owned()))?;
        Ok(Moment(u64::try_from(moment.as_nanosecond()).unwrap_or(0)))
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
    fn moments() {
        let now_ns = 1_795_248_000_000_000_000;
        for (text, expected) in [
            ("2026-11-21T08:00:00.5Z", 1_795_248_000_500_000_000),
            ("2026-11-21T09:00:00+01:00", now_ns),
            ("2026-11-21", now_ns - 8 * 3600 * 1_000_000_000),
            ("10m", now_ns - 600_000_000_000),
            ("2h 30s", now_ns - 7_230_000_000_000),
            ("0s", now_ns),
            ("1960-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(Moment::parse(text, now_ns), Ok(Moment(expected)), "{text}");
        }
        for text in ["", "yesterday-ish", "10", "2026-13-01", "10 apples"] {
            assert!(Moment::parse(text, now_ns).is_err(), "{text}");
        }
        let ago: Moment = "10m".parse().unwrap();
        let now: Moment = "0s".parse().unwrap();
        assert!(now.0 - ago.0 >= 600_000_000_000);
    }
}
