//! Parses durations as people write them.
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Parses a duration with units, such as `250ms`, `1h30m`, `1d` or `2w`. A day has 24 hours,
/// because all times are in UTC. Returns `None` if the text is not a duration, or has months or
/// years, whose lengths vary.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_units_whose_length_is_fixed() {
        for (text, expected) in [
            ("250ms", Some(SignedDuration::from_millis(250))),
            ("1h30m", Some(SignedDuration::from_mins(90))),
            ("2w", Some(SignedDuration::from_hours(2 * 7 * 24))),
            ("-1d", Some(SignedDuration::from_hours(-24))),
            ("10", None),
            ("", None),
            ("1mo", None),
            ("1y", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
