//! Parses the time at the start of a line, if it is unambiguous: with year and zone.
use crate::time::UnixNs;
use jiff::Timestamp;

/// Maximum length of the parsed text: `2026-11-28T10:00:01.123456789+01:00` and some more.
const TEXT_BYTES_MAX: usize = 48;

/// Returns the Unix time at the start of a line, such as `2026-11-28T10:00:01.5+01:00 `.
pub(super) fn leading(line: &[u8]) -> Option<UnixNs> {
    if !line.first()?.is_ascii_digit() {
        return None;
    }
    let end = line.iter().take(TEXT_BYTES_MAX).position(|octet| *octet == b' ')?;
    parse(&line[..end])
}

/// Returns the Unix time of a date and time with a zone, separated by `T` or a space.
pub(super) fn parse(text: &[u8]) -> Option<UnixNs> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let time: Timestamp = str::from_utf8(text).ok()?.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok().map(UnixNs::new)
}

/// Converts seconds since 1970 to a Unix time.
pub(super) fn of_seconds(seconds: f64) -> Option<UnixNs> {
    let is_known = seconds >= 0.0 && seconds < (u64::MAX / 1_000_000_000) as f64;
    // Seconds and fraction are converted separately, because an f64 cannot hold a Unix time in ns.
    is_known.then(|| {
        let second = UnixNs::of_second(seconds.trunc() as u64);
        second.saturating_add_ns((seconds.fract() * 1e9) as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28T10:00:01Z.
    const AT_NS: UnixNs = UnixNs::of_second(1_795_860_001);
    /// A quarter of a second later.
    const LATER_NS: UnixNs = AT_NS.saturating_add_ns(250_000_000);

    #[test]
    fn moments_are_read_and_local_times_are_not() {
        for (line, expected) in [
            ("2026-11-28T10:00:01Z x", Some(AT_NS)),
            ("2026-11-28T11:00:01+01:00 x", Some(AT_NS)),
            ("2026-11-28T10:00:01.000000+00:00 x", Some(AT_NS)),
            ("2026-11-28T10:00:01.250Z x", Some(LATER_NS)),
            ("2026-11-28T10:00:01 x", None),
            ("2026-11-28 10:00:01 x", None),
            ("Nov 28 10:00:01 x", None),
            ("1969-12-31T00:00:00Z x", None),
            ("2026-13-28T10:00:01Z x", None),
            ("2026-11-28T10:00:01Z", None),
            ("", None),
        ] {
            assert_eq!(leading(line.as_bytes()), expected, "{line}");
        }
        for text in ["2026-11-28 10:00:01+0000", "2026-11-28 12:30:01+0230"] {
            assert_eq!(parse(text.as_bytes()), Some(AT_NS), "{text}");
        }
    }

    #[test]
    fn seconds_become_a_moment() {
        assert_eq!(of_seconds(1_795_860_001.0), Some(AT_NS));
        assert_eq!(of_seconds(1_795_860_001.25), Some(LATER_NS));
        for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(of_seconds(seconds), None);
        }
    }
}
