//! Numbers above 0.
use std::fmt;

/// A finite number above 0, such as a rate or a factor.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Positive(f64);

impl Positive {
    /// The number 1.
    pub const ONE: Positive = Positive(1.0);

    /// Returns `None` for 0, negative numbers, infinity and NaN.
    pub fn new(number: f64) -> Option<Positive> {
        (number > 0.0 && number.is_finite()).then_some(Positive(number))
    }

    /// Returns the number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Positive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_above_0_are_positive() {
        for number in [f64::MIN_POSITIVE, 0.5, 1.0, f64::MAX] {
            assert_eq!(Positive::new(number).map(Positive::get), Some(number));
        }
        for number in [0.0, -0.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(Positive::new(number), None, "{number}");
        }
    }
}
