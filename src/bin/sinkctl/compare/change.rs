//! Formats a change: in percent, or as a factor if percent would be hard to read.

use sinkd::plot::PlotUnit;

/// The format of all ratios in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeFormat {
    Percent,
    Factor,
}

impl ChangeFormat {
    /// Chooses percent if all ratios are between 0.5 and 2.
    pub fn of(ratios: &[f64]) -> ChangeFormat {
        if ratios.iter().all(|ratio| (0.5..2.0).contains(ratio)) {
            ChangeFormat::Percent
        } else {
            ChangeFormat::Factor
        }
    }

    /// Formats a ratio above 0: `+6.6%`, `x374`, `x0.0027`.
    pub fn text(self, ratio: f64) -> String {
        match self {
            ChangeFormat::Percent => format!("{:+.1}%", 100.0 * (ratio - 1.0)),
            ChangeFormat::Factor => format!("x{}", digits(ratio)),
        }
    }
}

/// Formats the change between two values: `=` if they are equal, even if both are 0; `-` if only
/// one of them is 0.
pub fn text(a: f64, b: f64) -> String {
    if a == b {
        return "=".into();
    }
    if a <= 0.0 || b <= 0.0 {
        return "-".into();
    }
    ChangeFormat::of(&[b / a]).text(b / a)
}

/// Formats a ratio: three significant digits from 1 to 100, two below 1, a whole number from 100,
/// and one digit with an exponent from a million or below a millionth.
fn digits(ratio: f64) -> String {
    match ratio {
        1e6.. | ..1e-6 => format!("{ratio:.0e}"),
        100.0.. => PlotUnit::Number.text(ratio),
        10.0.. => format!("{ratio:.1}"),
        1.0.. => format!("{ratio:.2}"),
        _ => format!("{ratio:.*}", 1 + (-ratio.log10()).ceil() as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_changes_are_factors() {
        for (a, b, expected) in [
            (100.0, 106.6, "+6.6%"),
            (100.0, 51.0, "-49.0%"),
            (1.0, 374.31, "x374"),
            (1.0, 2.0, "x2.00"),
            (1.0, 15.27, "x15.3"),
            (374.31, 1.0, "x0.0027"),
            (10.0, 4.5, "x0.45"),
            (1.0, 30_506.2, "x30,506"),
            (1.0, 5e9, "x5e9"),
            (5.0, 5.0, "="),
            (0.0, 0.0, "="),
            (0.0, 5.0, "-"),
            (5.0, 0.0, "-"),
        ] {
            assert_eq!(text(a, b), expected, "{a} {b}");
        }
        assert_eq!(ChangeFormat::of(&[1.1, 0.9, 3.0]), ChangeFormat::Factor);
    }
}
