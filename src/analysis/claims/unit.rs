//! Units of the numbers in claims.
use crate::wording::Unexpected;
use crate::wording::{decimals, exact_duration};

/// The unit of a subject, which decides what may follow the number in a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimUnit {
    /// A number or a rate per second.
    Number,
    /// A number that is not a rate.
    Count,
    /// A time, in microseconds.
    Micros,
    /// A size in bytes.
    Bytes,
    /// A share of 1, which claims can also give in percent.
    Share,
}

impl ClaimUnit {
    /// Returns the endings that a number may have, each with its factor.
    fn endings(self) -> &'static [(&'static str, f64)] {
        match self {
            ClaimUnit::Count => &[("", 1.0), ("k", 1e3), ("M", 1e6)],
            ClaimUnit::Number => &[("", 1.0), ("/s", 1.0), ("k", 1e3), ("M", 1e6)],
            ClaimUnit::Micros => &[("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)],
            ClaimUnit::Bytes => &[
                ("", 1.0),
                ("B", 1.0),
                ("K", 1024.0),
                ("KiB", 1024.0),
                ("M", 1_048_576.0),
                ("MiB", 1_048_576.0),
                ("G", 1_073_741_824.0),
                ("GiB", 1_073_741_824.0),
                ("T", 1_099_511_627_776.0),
                ("TiB", 1_099_511_627_776.0),
                ("kB", 1e3),
                ("MB", 1e6),
                ("GB", 1e9),
                ("TB", 1e12),
            ],
            ClaimUnit::Share => &[("", 1.0), ("%", 0.01)],
        }
    }

    /// Parses a bound such as `20ms`, and converts it to the subject's unit.
    pub fn parse(self, text: &str) -> Result<f64, Unexpected> {
        let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let (digits, ending) = (&text[..end], text[end..].trim());
        let number: Result<f64, _> = digits.parse();
        let value = number.map_err(|_| Unexpected::new("a number", text))?;
        let known = self.endings().iter().find(|(known, _)| *known == ending);
        let (_, factor) = known.ok_or_else(|| {
            let names = self.endings().iter().map(|(name, _)| *name);
            let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
            let names = names.join(", ");
            Unexpected::new(format!("a number with one of the units {names}"), text)
        })?;
        Ok(value * factor)
    }

    /// Formats a value of this unit for a sentence.
    pub fn text(self, value: f64) -> String {
        match self {
            ClaimUnit::Number | ClaimUnit::Count => decimals(value),
            ClaimUnit::Micros => exact_duration(value),
            ClaimUnit::Bytes => format!("{} bytes", decimals(value)),
            ClaimUnit::Share => format!("{}%", decimals(value * 100.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_units_of_sizes_and_those_of_the_output() {
        let units = [("1K", 10), ("1KiB", 10), ("1M", 20), ("1G", 30), ("1T", 40), ("1TiB", 40)];
        for (text, shift) in units {
            assert_eq!(ClaimUnit::Bytes.parse(text), Ok((1_u64 << shift) as f64), "{text}");
        }
        assert_eq!(ClaimUnit::Bytes.parse("1TB"), Ok(1e12));
        let error = ClaimUnit::Bytes.parse("1P").unwrap_err().to_string();
        assert_eq!(error.matches(" B,").count(), 1, "{error}");
    }
}
