//! The table of settings: one file per TOML table, one row per setting.
//!
//! A row is a [`Setting`]. Its flag, environment variable, TOML key, help text and line of
//! `--print-config` all come from it. Most rows use the macro `key!`; the row of a setting that can
//! be repeated, or whose flag can stand alone, spells out its `Setting`.

use super::setting::Setting;

/// A row for a setting with one value. The arguments are its table, name, value placeholder, help,
/// what it expects, how to set it from text, and how to show it as TOML.
macro_rules! key {
    ($table:literal, $name:literal, $value:literal, $help:literal, $expected:expr, $set:expr, $show:expr) => {
        $crate::config::setting::Setting {
            table: $table,
            name: $name,
            value: $value,
            alone: None,
            help: $help,
            expected: $expected,
            set: $crate::config::setting::Setter::One($set),
            show: $show,
        }
    };
}

mod http;
mod index;
mod limits;
mod log;
mod logging;
mod memory;
mod server;
mod stats;
mod stop;
mod storage;
mod timeouts;
mod tls;
mod transcripts;

/// The TOML tables, in the order in which they are printed.
const TABLES: [&[Setting]; 13] = [
    server::SETTINGS,
    tls::SETTINGS,
    limits::SETTINGS,
    memory::SETTINGS,
    timeouts::SETTINGS,
    storage::SETTINGS,
    log::SETTINGS,
    stats::SETTINGS,
    index::SETTINGS,
    http::SETTINGS,
    stop::SETTINGS,
    transcripts::SETTINGS,
    logging::SETTINGS,
];

/// Returns all settings, in the order in which they are printed.
pub fn all_settings() -> impl Iterator<Item = &'static Setting> {
    TABLES.into_iter().flatten()
}

#[cfg(test)]
mod tests;
