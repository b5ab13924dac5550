//! `[index]`: when and how mail is indexed.
use crate::config::bounds::count;
use crate::config::setting::Setting;
use crate::config::value::{parse_option, quoted, show_number, show_option};
use crate::index::SEQUENCE_FIELD_BYTES_MAX;
use crate::index::When;

pub(super) const SETTINGS: &[Setting] = &[
    key!(
        "index",
        "index",
        "WHEN",
        "When to index mail for sinkctl search: 'lazy' (while the machine is idle), 'eager' (as it arrives) or 'off' (never).",
        "'eager', 'lazy' or 'off'",
        |c, v| {
            c.index.when = match v {
                "eager" => When::Eager,
                "lazy" => When::Lazy,
                "off" => When::Off,
                _ => return None,
            };
            Some(())
        },
        |c| {
            let when = match c.index.when {
                When::Eager => "eager",
                When::Lazy => "lazy",
                When::Off => "off",
            };
            quoted(when)
        }
    ),
    key!(
        "index",
        "index_threads",
        "N",
        "Number of threads that index mail; more threads catch up faster.",
        "a whole number from 1 to 64",
        |c, v| count::<usize>(v).filter(|n| *n <= 64).map(|n| c.index.threads = n),
        |c| show_number(c.index.threads)
    ),
    key!(
        "index",
        "sequence_field",
        "NAME",
        "Header field with the sender's sequence number, which the index stores, or 'none'.",
        "the name of a header field of at most 64 bytes, or 'none'",
        |c, v| {
            let is_name = |name: &str| {
                let is_ftext = |octet: u8| octet.is_ascii_graphic() && octet != b':';
                (1..=SEQUENCE_FIELD_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_ftext)
            };
            let name = |v: &str| is_name(v).then(|| v.to_owned());
            parse_option(v, name).map(|name| c.index.sequence_field = name)
        },
        |c| show_option(c.index.sequence_field.as_deref(), quoted)
    ),
];
