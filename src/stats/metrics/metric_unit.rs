//! The units of recorded numbers, which end their tags.

/// The unit of a recorded number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricUnit {
    /// A time, in whole µs.
    Microseconds,
    /// A size.
    Bytes,
    /// A rate.
    BytesPerSecond,
    /// A number of things.
    Number,
}

impl MetricUnit {
    /// Splits a tag into its name and its unit. The tag of a number is its name.
    pub fn split(tag: &str) -> (&str, MetricUnit) {
        let ends = [
            ("_us", MetricUnit::Microseconds),
            ("_bytes_per_s", MetricUnit::BytesPerSecond),
            ("_bytes", MetricUnit::Bytes),
        ];
        let end = ends.iter().find_map(|(end, unit)| Some((tag.strip_suffix(end)?, *unit)));
        end.unwrap_or((tag, MetricUnit::Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_tag_is_its_unit() {
        for (tag, name, unit) in [
            ("session_us", "session", MetricUnit::Microseconds),
            ("transfer_bytes_per_s", "transfer", MetricUnit::BytesPerSecond),
            ("message_bytes", "message", MetricUnit::Bytes),
            ("commands_per_read", "commands_per_read", MetricUnit::Number),
        ] {
            assert_eq!(MetricUnit::split(tag), (name, unit));
        }
    }
}
