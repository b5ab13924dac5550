//! Unique challenges for CRAM-MD5.
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Generates challenges. Without a seed, they are the same in each run, for tests.
#[derive(Debug, Clone, Default)]
pub struct Challenges {
    seed: u64,
    made: u64,
}

impl Challenges {
    /// Creates a generator. `seed` must be unknown to clients.
    pub fn new(seed: u64) -> Challenges {
        Challenges { seed, made: 0 }
    }

    /// Returns the next challenge, `<NUMBER@HOST>` (RFC 2195 section 2).
    pub fn next(&mut self, host: &str) -> String {
        self.made += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.made).hash(&mut hasher);
        format!("<{}.{}@{host}>", hasher.finish(), self.made)
    }
}
