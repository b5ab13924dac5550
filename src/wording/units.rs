//! Numbers with their units, for a person.

/// A unit of time, its length in microseconds, and the shortest time that is shown in it.
type TimeUnit = (&'static str, f64, f64);

/// Three digits round up to the next unit: 999.5 µs is 1 ms. Units longer than a second are used
/// from two of them on: `90 s` is clearer than `1.5 min`.
const TIME_UNITS: [TimeUnit; 6] = [
    ("d", 86_400e6, 2.0 * 86_400e6),
    ("h", 3600e6, 2.0 * 3600e6),
    ("min", 60e6, 2.0 * 60e6),
    ("s", 1e6, 999.5e3),
    ("ms", 1e3, 999.5),
    ("µs", 1.0, 0.0),
];

/// Returns a duration, given in microseconds, with three significant digits: `355 µs`, `1.83 ms`,
/// `119 s`, `2 min`. At most eight characters up to 999 days.
pub fn duration(us: f64) -> String {
    in_time_unit(us, &TIME_UNITS, digits)
}

/// Returns a duration, given in microseconds, with up to three decimals and in no unit longer than
/// seconds, to show how it compares with a bound: `12.345 ms`.
pub fn exact_duration(us: f64) -> String {
    in_time_unit(us, &TIME_UNITS[3..], decimals)
}

fn in_time_unit(us: f64, units: &[TimeUnit], text: fn(f64) -> String) -> String {
    let fits = |(_, _, shortest): &&TimeUnit| us >= *shortest;
    let (name, length, _) = units.iter().find(fits).unwrap_or(&units[units.len() - 1]);
    format!("{} {name}", text(us / length))
}

/// Returns a share of 1 in percent, with three significant digits: `12.3%`.
pub fn percent(share: f64) -> String {
    format!("{}%", digits(100.0 * share))
}

/// Returns a share of 1 in whole percent: `75%`.
pub fn whole_percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// Returns a number with up to three decimals and no zeros at their end: `0.5`, `39780.125`.
pub fn decimals(value: f64) -> String {
    without_zeros(format!("{value:.3}"))
}

/// Returns a number with three significant digits, but with all digits of its whole part, at most
/// two decimals, and no decimal zeros at its end: `12.3`, `355`, `1831`.
pub fn digits(value: f64) -> String {
    let places = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    without_zeros(format!("{value:.places$}"))
}

/// Returns a whole number with separators: `1,234,567`.
pub fn whole(value: f64) -> String {
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

/// Formats a count and its noun: "1,234 messages".
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", whole(n as f64), if n == 1 { one } else { many })
}

/// Removes zeros from the end of the decimals, if there are any.
fn without_zeros(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (us, text, exact) in [
            (0.0, "0 µs", "0 µs"),
            (0.25, "0.25 µs", "0.25 µs"),
            (355.0, "355 µs", "355 µs"),
            (999.4, "999 µs", "999.4 µs"),
            (999.6, "1 ms", "1 ms"),
            (1831.0, "1.83 ms", "1.831 ms"),
            (9999.0, "10 ms", "9.999 ms"),
            (10_000.0, "10 ms", "10 ms"),
            (12_345.0, "12.3 ms", "12.345 ms"),
            (99_960.0, "100 ms", "99.96 ms"),
            (999_600.0, "1 s", "1 s"),
            (1_234_000.0, "1.23 s", "1.234 s"),
            (119e6, "119 s", "119 s"),
            (120e6, "2 min", "120 s"),
            (3.5 * 3600e6, "3.5 h", "12600 s"),
            (10.0 * 86_400e6, "10 d", "864000 s"),
        ] {
            assert_eq!(duration(us), text, "{us}");
            assert_eq!(exact_duration(us), exact, "{us}");
        }
    }

    #[test]
    fn no_space_is_before_a_percent_sign() {
        assert_eq!([percent(0.123), percent(1.0), percent(0.0)], ["12.3%", "100%", "0%"]);
        assert_eq!([whole_percent(0.7549), whole_percent(0.0)], ["75%", "0%"]);
    }

    #[test]
    fn large_numbers_have_separators() {
        assert_eq!(counted(1, "message", "messages"), "1 message");
        assert_eq!(counted(12_345, "message", "messages"), "12,345 messages");
        assert_eq!([whole(999.0), whole(39_780.4), whole(1e9)], ["999", "39,780", "1,000,000,000"]);
    }

    #[test]
    fn decimals_have_no_trailing_zeros() {
        assert_eq!([decimals(100.0), decimals(0.5), decimals(66.6667)], ["100", "0.5", "66.667"]);
    }
}
