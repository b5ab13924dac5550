//! `[log]`: durability, retention and sizes of segments.
use std::time::Duration;

use crate::config::bounds::{
    COUNT_SMALL, DISK_BYTES_MAX, between, count, count_large, parse_timeout, time_between,
};
use crate::config::setting::Setting;
use crate::config::value::{parse_option, quoted, show_bytes, show_number, show_option, show_time};
use crate::log::Durability;
use crate::wording::parse_size;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "log",
        "durability",
        "WHAT",
        "What an acknowledged message survives. 'process': a crash or kill of sinkd; 'message': also a power loss; a time such as 1s: also a power loss, once the message is that old.",
        "'process', 'message', or a duration from 1ms to 87600h, such as 1s",
        |c, v| parse_durability(v).map(|d| c.storage.durability = d),
        |c| match c.storage.durability {
            Durability::Process => quoted("process"),
            Durability::Message => quoted("message"),
            Durability::Interval(time) => show_time(time),
        }
    ),
    key!(
        "log",
        "retain_bytes",
        "SIZE",
        "Maximum disk space for segments; beyond it, the oldest mail is dropped and its files are reused.",
        "a size from 64M to 1024T (units: K, M, G, T), or 'none'",
        |c, v| {
            let least = |text: &str| between(parse_size(text), 64 << 20, DISK_BYTES_MAX);
            parse_option(v, least).map(|n| c.storage.retention.bytes = n)
        },
        |c| show_option(c.storage.retention.bytes, show_bytes)
    ),
    key!(
        "log",
        "retain_age",
        "DURATION",
        "Drop a segment once its newest message is older than this.",
        "a duration from 1s to 87600h, such as 24h, or 'none'",
        |c, v| {
            let least = |text: &str| time_between(text, Duration::from_secs(1));
            parse_option(v, least).map(|t| c.storage.retention.age = t)
        },
        |c| show_option(c.storage.retention.age, show_time)
    ),
    key!(
        "log",
        "retain_segments",
        "N",
        "Maximum number of segments, including those in use.",
        "a whole number from 4 to 1000000000000, or 'none'",
        |c, v| {
            let least = |text: &str| count_large(text).filter(|n| *n >= 4);
            parse_option(v, least).map(|n| c.storage.retention.segments = n)
        },
        |c| show_option(c.storage.retention.segments, show_number)
    ),
    key!(
        "log",
        "segment_bytes",
        "SIZE",
        "Size to which segments grow; the first one of each worker is at most 4 MiB.",
        "a size from 1M to 4095M (units: K, M, G, T), a multiple of 4096",
        |c, v| {
            let bytes = between(parse_size(v), 1 << 20, 4095 << 20).filter(|n| n % 4096 == 0)?;
            c.storage.segment_bytes = bytes;
            Some(())
        },
        |c| show_bytes(c.storage.segment_bytes)
    ),
    key!(
        "log",
        "region_memory_bytes",
        "SIZE",
        "Space in the log for transfers in progress, per worker.",
        "a size from 8M to 1T, such as 64M (units: K, M, G, T)",
        |c, v| between(parse_size(v), 8 << 20, 1 << 40).map(|n| c.memory.region_bytes = n),
        |c| show_bytes(c.memory.region_bytes)
    ),
    key!(
        "log",
        "dedicated_segments_max",
        "N",
        "Maximum number of messages above 4 MiB in progress at once, per worker; further ones are answered with 452.",
        COUNT_SMALL,
        |c, v| count::<u16>(v).map(|n| c.storage.dedicated_segments_max = usize::from(n)),
        |c| show_number(c.storage.dedicated_segments_max)
    ),
];

fn parse_durability(text: &str) -> Option<Durability> {
    match text {
        "process" => Some(Durability::Process),
        "message" => Some(Durability::Message),
        time => Some(Durability::Interval(parse_timeout(time)?)),
    }
}
