//! Random numbers that depend only on (seed, message, purpose): a generator without history.
//!
//! SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014;
//! constants from Vigna's public domain splitmix64.c): a mixed counter. Starting at any position
//! costs no more than the next number.
use std::f64::consts::TAU;

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Odd, so that all message numbers map to different states; different from [`STEP`], so that
/// streams do not overlap.
const NUMBERS: u64 = 0xd134_2543_de82_ef95;

/// The purpose of a stream; streams of different purposes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The size of a message.
    Size = 1,
    /// The choice of a prepared body.
    Body,
    /// The recipients of a message.
    Recipient,
    /// The sending time of a message.
    Arrival,
    /// Placeholders of templates.
    Placeholder,
    /// Generated text, and the spelling of its words.
    Text,
    /// Generated attachments; the number is the size.
    Attachment,
    /// The name of a run.
    Run,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// Returns the stream for one seed, message and purpose. Costs 2 ns.
    pub fn new(seed: u64, number: u64, purpose: Purpose) -> Random {
        let seed = mix(seed.wrapping_add((purpose as u64).wrapping_mul(STEP)));
        Random { state: mix(seed.wrapping_add(number.wrapping_mul(NUMBERS))) }
    }

    /// Returns the next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Returns a number in `0..bound`, and 0 if the bound is 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a number with 53 random bits, `0.0 <= x < 1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a normally distributed number with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
    }

    /// Returns an exponentially distributed number with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of splitmix64.c for a state of 1234567.
    #[test]
    fn it_is_splitmix64() {
        let mut random = Random { state: 1_234_567 };
        let expected: [u64; 3] =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for expected in expected {
            assert_eq!(random.bits(), expected);
        }
    }

    #[test]
    fn purposes_numbers_and_seeds_differ() {
        let first = |seed, number, purpose| Random::new(seed, number, purpose).bits();
        let all = [
            first(1, 1, Purpose::Size),
            first(1, 1, Purpose::Body),
            first(1, 2, Purpose::Size),
            first(2, 1, Purpose::Size),
            first(0, 0, Purpose::Size),
            first(u64::MAX, u64::MAX, Purpose::Run),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{all:?}");
        }
        assert_eq!(first(7, 8, Purpose::Text), first(7, 8, Purpose::Text));
    }

    #[test]
    fn distributions_have_their_means() {
        let draws = 100_000;
        let mean = |draw: fn(&mut Random) -> f64| {
            let one = |n| draw(&mut Random::new(3, n, Purpose::Size));
            (0..draws).map(one).sum::<f64>() / draws as f64
        };
        let rows: [(f64, f64); 5] = [
            (mean(Random::unit), 0.5),
            (mean(Random::exponential), 1.0),
            (mean(Random::normal), 0.0),
            (mean(|random| random.normal().powi(2)), 1.0),
            (mean(|random| random.below(11) as f64), 5.0),
        ];
        for (found, expected) in rows {
            assert!((found - expected).abs() < 0.02, "{found} instead of {expected}");
        }
    }

    #[test]
    fn below_stays_below() {
        let mut random = Random::new(1, 1, Purpose::Size);
        for bound in [0, 1, 2, 10, u64::MAX] {
            let highest = (0..1000).map(|_| random.below(bound)).max().unwrap();
            assert!(highest < bound.max(1), "{highest} below {bound}");
        }
    }
}
