//! Distributions of message sizes.
use super::random::Random;

/// Maximum size of a message.
pub const SIZE_MAX: u64 = 64 << 20;

/// A lognormal distribution is cut off at this number of deviations; on either side, 1 message in
/// 30,000 would be beyond.
const SIGMAS_MAX: f64 = 4.0;

/// Maximum number of distinct sizes.
const CHOICES_MAX: usize = 1000;

/// Maximum weight, so that the sum of weights does not overflow.
const WEIGHT_MAX: u64 = 1_000_000_000;

/// The meaning of `mixed`.
pub const MIXED: &str = "2K:70,20K:25,200K:5";

/// A distribution of message sizes in octets, including header fields (RFC 1870).
#[derive(Debug, Clone, PartialEq)]
pub enum Sizes {
    /// Sizes with weights, in the order given. Not empty, and the sum of weights is above 0.
    Choices(Vec<(u64, u64)>),
    /// All sizes in this range are equally likely, bounds included.
    Uniform {
        /// The smallest size.
        low: u64,
        /// The largest size.
        high: u64,
    },
    /// The logarithm of the size is normally distributed, cut off at four deviations and at
    /// [`SIZE_MAX`].
    Lognormal {
        /// The median size.
        median: u64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
}

/// Why a text is not a distribution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The text has none of the known forms.
    #[error(
        "expected a size such as 2K, weights such as 2K:70,20K:30, 'mixed', uniform:1K-64K or \
         lognormal:20K,1.2, found '{0}'"
    )]
    Syntax(String),
    /// A size is out of bounds.
    #[error("expected a size from 1 byte to 64M, found '{0}'")]
    Range(String),
    /// Weights are out of bounds, or all 0.
    #[error(
        "expected weights from 0 to {WEIGHT_MAX}, not all of them 0, for at most {CHOICES_MAX} \
         sizes, found '{0}'"
    )]
    Weights(String),
    /// The larger bound comes first.
    #[error("expected the smaller size first, found '{0}'")]
    Order(String),
    /// The standard deviation is out of bounds.
    #[error("expected a standard deviation from 0 to 4, found '{0}'")]
    Sigma(String),
}

impl Sizes {
    /// Parses a distribution. `bytes` parses a single size, such as `64K`.
    ///
    /// Errors name the part of the text that is wrong.
    pub fn parse(text: &str, bytes: fn(&str) -> Option<u64>) -> Result<Sizes, SizeError> {
        let size = |part: &str| match bytes(part) {
            None => Err(SizeError::Syntax(part.to_owned())),
            Some(1..=SIZE_MAX) => Ok(bytes(part).expect("it was one just now")),
            Some(_) => Err(SizeError::Range(part.to_owned())),
        };
        let syntax = || SizeError::Syntax(text.to_owned());
        if text == "mixed" {
            return Sizes::parse(MIXED, bytes);
        }
        if let Some(range) = text.strip_prefix("uniform:") {
            let (low, high) = range.split_once('-').ok_or_else(syntax)?;
            let (low, high) = (size(low)?, size(high)?);
            return if low <= high {
                Ok(Sizes::Uniform { low, high })
            } else {
                Err(SizeError::Order(range.to_owned()))
            };
        }
        if let Some(pair) = text.strip_prefix("lognormal:") {
            let (median, sigma) = pair.split_once(',').ok_or_else(syntax)?;
            let deviation = sigma.parse().ok().filter(|sigma| (0.0..=4.0).contains(sigma));
            let sigma = deviation.ok_or_else(|| SizeError::Sigma(sigma.to_owned()))?;
            return Ok(Sizes::Lognormal { median: size(median)?, sigma });
        }
        choices(text, size)
    }

    /// Draws a size. Costs about 20 ns, more with many choices, and nothing if there is only one.
    pub fn draw(&self, random: &mut Random) -> u64 {
        match self {
            Sizes::Choices(choices) if choices.len() == 1 => choices[0].0,
            Sizes::Choices(choices) => {
                let mut rest = random.below(choices.iter().map(|(_, weight)| weight).sum());
                for &(size, weight) in choices {
                    if rest < weight {
                        return size;
                    }
                    rest -= weight;
                }
                unreachable!("what was drawn is below the sum of the weights")
            }
            Sizes::Uniform { low, high } => low + random.below(high - low + 1),
            Sizes::Lognormal { median, sigma } => {
                let deviations = random.normal().clamp(-SIGMAS_MAX, SIGMAS_MAX);
                lognormal(*median, *sigma, deviations)
            }
        }
    }

    /// Returns the smallest and the largest possible size.
    pub fn bounds(&self) -> (u64, u64) {
        match self {
            Sizes::Choices(choices) => {
                let drawn = choices.iter().filter(|(_, weight)| *weight > 0);
                let sizes = || drawn.clone().map(|(size, _)| *size);
                (sizes().min().expect("never empty"), sizes().max().expect("never empty"))
            }
            Sizes::Uniform { low, high } => (*low, *high),
            Sizes::Lognormal { median, sigma } => {
                (lognormal(*median, *sigma, -SIGMAS_MAX), lognormal(*median, *sigma, SIGMAS_MAX))
            }
        }
    }
}

fn lognormal(median: u64, sigma: f64, deviations: f64) -> u64 {
    let size = median as f64 * (sigma * deviations).exp();
    // A float beyond the range of integers is clamped.
    (size.round() as u64).clamp(1, SIZE_MAX)
}

fn choices(text: &str, size: impl Fn(&str) -> Result<u64, SizeError>) -> Result<Sizes, SizeError> {
    let wrong = || SizeError::Weights(text.to_owned());
    let mut choices = Vec::new();
    for part in text.split(',') {
        let (bytes, weight) = part.split_once(':').unwrap_or((part, "1"));
        let weight = weight.parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
        choices.push((size(bytes)?, weight.ok_or_else(wrong)?));
    }
    let is_drawn = choices.iter().any(|(_, weight)| *weight > 0);
    if is_drawn && choices.len() <= CHOICES_MAX {
        Ok(Sizes::Choices(choices))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::blast::random::Purpose;
    use crate::wording::parse_size;

    fn parse(text: &str) -> Result<Sizes, SizeError> {
        Sizes::parse(text, parse_size)
    }

    #[test]
    fn what_a_person_writes() {
        let k = 1024;
        for (text, expected) in [
            ("2048", Sizes::Choices(vec![(2 * k, 1)])),
            ("2K,4K", Sizes::Choices(vec![(2 * k, 1), (4 * k, 1)])),
            ("mixed", Sizes::Choices(vec![(2 * k, 70), (20 * k, 25), (200 * k, 5)])),
            ("1K:0,64M:1", Sizes::Choices(vec![(k, 0), (64 * k * k, 1)])),
            ("uniform:1K-64K", Sizes::Uniform { low: k, high: 64 * k }),
            ("uniform:7-7", Sizes::Uniform { low: 7, high: 7 }),
            ("lognormal:20K,1.2", Sizes::Lognormal { median: 20 * k, sigma: 1.2 }),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn invalid_values_are_explained() {
        for (text, reason) in [
            ("", "found ''"),
            ("2X", "found '2X'"),
            ("2K:", "expected weights from 0"),
            ("2K:-1", "expected weights from 0"),
            ("2K:0", "expected weights from 0"),
            ("2K,", "found ''"),
            ("0", "64M, found '0'"),
            ("65M", "64M, found '65M'"),
            ("uniform:2K", "found 'uniform:2K'"),
            ("uniform:2K-1K", "the smaller size first, found '2K-1K'"),
            ("lognormal:2K", "found 'lognormal:2K'"),
            ("lognormal:2K,x", "found 'x'"),
            ("lognormal:2K,NaN", "found 'NaN'"),
            ("lognormal:2K,9", "found '9'"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn means_and_bounds() {
        let k = 1024.0;
        for (text, mean, bounds) in [
            ("2K", 2.0 * k, (2048, 2048)),
            ("mixed", k * (1.4 + 5.0 + 10.0), (2048, 204_800)),
            ("9K:0,2K:1", 2.0 * k, (2048, 2048)),
            ("uniform:1K-63K", 32.0 * k, (1024, 63 * 1024)),
            // The mean is exp(sigma^2 / 2) times the median.
            ("lognormal:20K,0.5", 20.0 * k * 0.125f64.exp(), (2772, 151_328)),
            ("lognormal:20K,0", 20.0 * k, (20480, 20480)),
        ] {
            let sizes = parse(text).unwrap();
            assert_eq!(sizes.bounds(), bounds, "{text}");
            let draws = 50_000;
            let draw = |number| sizes.draw(&mut Random::new(5, number, Purpose::Size));
            let found = (0..draws).map(|n| draw(n) as f64).sum::<f64>() / draws as f64;
            assert!((found / mean - 1.0).abs() < 0.02, "{text}: {found} instead of {mean}");
            assert!((0..draws).map(draw).all(|size| (bounds.0..=bounds.1).contains(&size)));
        }
    }

    #[test]
    fn what_is_huge_is_cut() {
        let sizes = parse("lognormal:64M,4").unwrap();
        assert_eq!(sizes.bounds().1, SIZE_MAX);
    }
}
