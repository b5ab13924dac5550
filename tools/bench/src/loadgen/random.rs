//! Random numbers that a seed determines, so that runs can be repeated.

/// Marsaglia's xorshift with 64 bits of state, which is never 0.
pub struct Random(u64);

impl Random {
    /// Spreads the bits of `seed`, because small seeds would begin with similar numbers.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
