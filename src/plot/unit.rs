//! Numbers as a person reads them: three digits and a unit that fits.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotUnit {
    /// Things.
    Number,
    /// Things in a second.
    PerSecond,
    /// A duration, given in microseconds.
    Microseconds,
    /// Octets; kB is 1000 of them.
    Bytes,
    /// Octets in a second.
    BytesPerSecond,
    /// A part of 1, shown in percent.
    Share,
}

/// Keeps a number and its unit on one line.
const SPACE: char = '\u{a0}';

impl PlotUnit {
    /// In running text and tables: `12.3 ms`, `1,234,567`, `2.05 kB`.
    pub fn text(self, value: f64) -> String {
        let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
        match self {
            PlotUnit::Number => grouped(value),
            PlotUnit::PerSecond => format!("{}/s", grouped(value)),
            PlotUnit::Microseconds => fitting(value, TIMES),
            PlotUnit::Bytes => fitting(value, BYTES),
            PlotUnit::BytesPerSecond => fitting(value, RATES),
            PlotUnit::Share => format!("{}{SPACE}%", digits(100.0 * value)),
        }
    }

    /// On an axis: shorter, and times in seconds however long they are, so that decades look like
    /// decades.
    pub fn tick(self, value: f64) -> String {
        match self {
            PlotUnit::Number | PlotUnit::PerSecond if value >= 1e4 => fitting(value, &LARGE[1..]),
            PlotUnit::Number | PlotUnit::PerSecond => PlotUnit::Number.text(value),
            PlotUnit::Microseconds if value >= 1e6 => format!("{}{SPACE}s", grouped(value / 1e6)),
            unit => unit.text(value),
        }
    }
}

/// Unit, and how many of the smallest it is; the first holds below the second's worth.
type Table = &'static [(f64, &'static str)];

const TIMES: Table =
    &[(1.0, "µs"), (1e3, "ms"), (1e6, "s"), (60e6, "min"), (3600e6, "h"), (86_400e6, "d")];
const BYTES: Table = &[(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")];
const RATES: Table = &[(1.0, "B/s"), (1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s"), (1e12, "TB/s")];
const LARGE: Table = &[(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];

/// In the largest unit of which there is at least one; after seconds, at least two.
fn fitting(value: f64, table: Table) -> String {
    let least = |worth: f64| if worth >= 60e6 && table == TIMES { 2.0 } else { 0.9995 };
    let fits = |(worth, _): &&(f64, &str)| value >= worth * least(*worth);
    let (worth, name) = table.iter().rev().find(fits).unwrap_or(&table[0]);
    match name.len() {
        0 => digits(value / worth),
        1 if table == &LARGE[1..] => format!("{}{name}", digits(value / worth)),
        _ => format!("{}{SPACE}{name}", digits(value / worth)),
    }
}

/// Three significant digits, without zeros at the end.
fn digits(value: f64) -> String {
    let places = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// `1,234,567`; below ten, the digits after the point too.
fn grouped(value: f64) -> String {
    if value < 99.95 && value.fract() != 0.0 {
        return digits(value);
    }
    let plain = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
            (PlotUnit::Microseconds, 999.6, "1 ms"),
            (PlotUnit::Microseconds, 12_345.0, "12.3 ms"),
            (PlotUnit::Microseconds, 119e6, "119 s"),
            (PlotUnit::Microseconds, 120e6, "2 min"),
            (PlotUnit::Microseconds, 3.5 * 3600e6, "3.5 h"),
            (PlotUnit::Microseconds, 86_400e6, "24 h"),
            (PlotUnit::Bytes, 2048.0, "2.05 kB"),
            (PlotUnit::Bytes, 17.0, "17 B"),
            (PlotUnit::BytesPerSecond, 4.3e9, "4.3 GB/s"),
            (PlotUnit::Share, 0.123, "12.3 %"),
            (PlotUnit::Share, 1.0, "100 %"),
            (PlotUnit::Share, f64::NAN, "0 %"),
            (PlotUnit::Number, f64::INFINITY, "0"),
        ] {
            assert_eq!(unit.text(value).replace(SPACE, " "), text, "{unit:?} {value}");
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
            (PlotUnit::Share, 0.5, "50 %"),
            (PlotUnit::Bytes, 1e6, "1 MB"),
        ] {
            assert_eq!(unit.tick(value).replace(SPACE, " "), text, "{unit:?} {value}");
        }
    }
}
