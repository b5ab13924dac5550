//! Formats times and sentences.
use std::fmt::Display;

use serde::Serializer;

use crate::time::UnixNs;
use crate::wording::duration;

/// Serializes values as the sentences that they display, for `serialize_with`.
pub fn sentences<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(T::to_string))
}

/// Formats seconds in a suitable unit: "12.3 ms".
pub fn seconds(length: f64) -> String {
    duration(length * 1e6)
}

/// Formats a time as RFC 3339 in UTC with nine decimals.
pub fn rfc3339(unix_ns: UnixNs) -> String {
    format!("{:.9}", unix_ns.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nine_digits() {
        let time = UnixNs::new(1_795_248_000_500_000_001);
        assert_eq!(rfc3339(time), "2026-11-21T08:00:00.500000001Z");
        assert_eq!(rfc3339(UnixNs::EPOCH), "1970-01-01T00:00:00.000000000Z");
    }
}
