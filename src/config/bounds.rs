//! Bounds of settings: their texts for errors, and the functions that check them.
use std::time::Duration;

use super::value::parse_time;
use crate::wording::parse_size;

pub(super) const MESSAGE_BYTES: &str = "a size from 1 byte to 4095M (units: K, M, G, T)";
pub(super) const MEMORY: &str = "a size from 1M to 1T, such as 64M (units: K, M, G, T)";
pub(super) const TIME: &str = "a duration from 0s to 87600h, such as 250ms, 10s or 5m";
pub(super) const TIMEOUT: &str = "a duration from 1ms to 87600h, such as 250ms, 10s or 5m";
pub(super) const TIME_OR_NONE: &str =
    "a duration from 1ms to 87600h, such as 250ms, 10s or 5m, or 'none'";
/// The range of a `u16`, without 0.
pub(super) const COUNT_SMALL: &str = "a whole number from 1 to 65535";
/// The range of a `u32`, without 0.
pub(super) const COUNT: &str = "a whole number from 1 to 4294967295";
pub(super) const COUNT_OR_NONE: &str = "a whole number from 1 to 4294967295, or 'none'";
pub(super) const NAME_OR_NONE: &str =
    "a name of 1 to 64 letters, digits, '.', '-' and '_', or 'none'";
pub(super) const NETWORK: &str = "a network such as 10.0.0.0/8 or fd00::/8, or an address";
pub(super) const COUNT_LARGE_OR_NONE: &str = "a whole number from 1 to 1000000000000, or 'none'";
/// Enough for 30,000 messages per second for a year.
const COUNT_LARGE_MAX: u64 = 1_000_000_000_000;

/// Parses the maximum size of a message, which a slot of the log stores in a `u32`.
pub(super) fn message_bytes(text: &str) -> Option<u64> {
    between(parse_size(text), 1, 4095 << 20)
}

pub(super) fn count<T: std::str::FromStr + PartialOrd + From<u8>>(text: &str) -> Option<T> {
    text.parse().ok().filter(|n| *n >= T::from(1))
}

pub(super) fn count_large(text: &str) -> Option<u64> {
    count(text).filter(|n| *n <= COUNT_LARGE_MAX)
}

/// The upper bound of every duration: ten years. The assertions below prove that sums of times do
/// not overflow.
pub const TIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The upper bound of sizes on disk: 1 PiB, for the same reason.
pub(super) const DISK_BYTES_MAX: u64 = 1 << 50;
/// The year 2400 in seconds since 1970, later than any clock that sinkd will see.
const UNIX_S_MAX: u64 = 430 * 366 * 86_400;

// Times are added as ns, ms and s, since 1970 or since the start, in u64 and (in statistics) i64.
const _: () = {
    let ns_max = (UNIX_S_MAX + 2 * TIME_MAX.as_secs()) as u128 * 1_000_000_000;
    assert!(ns_max < u64::MAX as u128, "twice the longest time after any moment is a number of ns");
    // 256 workers, each with 64 times the largest budget or segment.
    assert!(DISK_BYTES_MAX + 256 * 64 * (1 << 40) < i64::MAX as u64, "so is every sum of sizes");
};

pub(super) fn time_between(text: &str, min: Duration) -> Option<Duration> {
    parse_time(text).filter(|time| (min..=TIME_MAX).contains(time))
}

/// Parses a timeout. 0 is refused: it would end everything at once.
pub(super) fn parse_timeout(text: &str) -> Option<Duration> {
    time_between(text, Duration::from_millis(1))
}

pub(super) fn between(bytes: Option<u64>, min: u64, max: u64) -> Option<u64> {
    bytes.filter(|b| (min..=max).contains(b))
}
