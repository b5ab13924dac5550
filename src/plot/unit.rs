//! Formats numbers for people, in suitable units.
use crate::wording::{digits, duration, percent, whole};

/// What a number measures, which decides how it is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotUnit {
    /// A count, with commas between groups of three digits.
    Number,
    /// A rate per second, shown with `/s` except on an axis.
    PerSecond,
    /// A duration in microseconds, shown in µs, ms, s or longer units.
    Microseconds,
    /// Bytes, with units of powers of 1000.
    Bytes,
    /// Bytes per second, with units of powers of 1000.
    BytesPerSecond,
    /// A fraction of 1, shown as a percentage.
    Share,
}

impl PlotUnit {
    /// Formats a number for running text and tables: `12.3 ms`, `1,234,567`, `2.05 kB`.
    pub fn text(self, value: f64) -> String {
        let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
        match self {
            PlotUnit::Number => grouped(value),
            PlotUnit::PerSecond => format!("{}/s", grouped(value)),
            PlotUnit::Microseconds => duration(value),
            PlotUnit::Bytes => fitting(value, BYTES),
            PlotUnit::BytesPerSecond => fitting(value, RATES),
            PlotUnit::Share => percent(value),
        }
    }

    /// Formats a number for an axis: shorter, and durations from a second on always in seconds, so
    /// that decades look like decades.
    pub fn tick(self, value: f64) -> String {
        match self {
            PlotUnit::Number | PlotUnit::PerSecond if value >= 1e4 => fitting(value, &LARGE[1..]),
            PlotUnit::Number | PlotUnit::PerSecond => PlotUnit::Number.text(value),
            PlotUnit::Microseconds if value >= 1e6 => format!("{} s", grouped(value / 1e6)),
            unit => unit.text(value),
        }
    }
}

/// The size and the name of each unit, smallest first.
type Table = &'static [(f64, &'static str)];

const BYTES: Table = &[(1.0, " B"), (1e3, " kB"), (1e6, " MB"), (1e9, " GB"), (1e12, " TB")];
const RATES: Table =
    &[(1.0, " B/s"), (1e3, " kB/s"), (1e6, " MB/s"), (1e9, " GB/s"), (1e12, " TB/s")];
const LARGE: Table = &[(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];

/// Formats a number in the largest unit that it reaches.
fn fitting(value: f64, table: Table) -> String {
    let fits = |(worth, _): &&(f64, &str)| value >= worth * 0.9995;
    let (worth, name) = table.iter().rev().find(fits).unwrap_or(&table[0]);
    format!("{}{name}", digits(value / worth))
}

/// Formats a number like `1,234,567`; below 100, with three significant digits.
fn grouped(value: f64) -> String {
    if value < 99.95 && value.fract() != 0.0 { digits(value) } else { whole(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit_that_fits() {
        for (unit, value, text) in [
            (PlotUnit::Number, 0.0, "0"),
            (PlotUnit::Number, 0.25, "0.25"),
            (PlotUnit::Number, 999.0, "999"),
            (PlotUnit::Number, 1_234_567.4, "1,234,567"),
            (PlotUnit::PerSecond, 12_345.6, "12,346/s"),
            (PlotUnit::Microseconds, 0.0, "0 µs"),
            (PlotUnit::Microseconds, 999.0, "999 µs"),
            (PlotUnit::Microseconds, 9999.6, "10 ms"),
            (PlotUnit::Microseconds, 12_345.0, "12.3 ms"),
            (PlotUnit::Microseconds, 119e6, "119 s"),
            (PlotUnit::Microseconds, 120e6, "2 min"),
            (PlotUnit::Microseconds, 3.5 * 3600e6, "3.5 h"),
            (PlotUnit::Microseconds, 86_400e6, "24 h"),
            (PlotUnit::Bytes, 2048.0, "2.05 kB"),
            (PlotUnit::Bytes, 17.0, "17 B"),
            (PlotUnit::BytesPerSecond, 4.3e9, "4.3 GB/s"),
            (PlotUnit::Share, 0.123, "12.3%"),
            (PlotUnit::Share, 1.0, "100%"),
            (PlotUnit::Share, f64::NAN, "0%"),
            (PlotUnit::Number, f64::INFINITY, "0"),
        ] {
            assert_eq!(unit.text(value), text, "{unit:?} {value}");
        }
    }

    #[test]
    fn ticks_are_short() {
        for (unit, value, text) in [
            (PlotUnit::Number, 2000.0, "2,000"),
            (PlotUnit::Number, 12_000.0, "12k"),
            (PlotUnit::PerSecond, 2_500_000.0, "2.5M"),
            (PlotUnit::Microseconds, 1e5, "100 ms"),
            (PlotUnit::Microseconds, 1e9, "1,000 s"),
            (PlotUnit::Share, 0.5, "50%"),
            (PlotUnit::Bytes, 1e6, "1 MB"),
        ] {
            assert_eq!(unit.tick(value), text, "{unit:?} {value}");
        }
    }
}
