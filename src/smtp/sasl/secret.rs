//! A type for values that must never be shown.

/// A password, a token or a digest. It has no `Debug`, and comparisons take constant time.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps `octets`.
    pub fn new(octets: Vec<u8>) -> Secret {
        Secret(octets)
    }

    /// Returns the octets, for use in a mechanism.
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether both are equal, in time that depends only on the lengths.
    pub fn is(&self, other: &[u8]) -> bool {
        let differing = self.0.iter().zip(other).fold(0, |bits, (one, other)| bits | (one ^ other));
        self.0.len() == other.len() && differing == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}
