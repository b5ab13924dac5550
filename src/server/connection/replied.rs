//! When a client was last sent something.

/// The round in which a client was last sent something.
///
/// Idle connections are counted by the ten thousand: in four octets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replied {
    /// The round, counted on from its start after 2^31, and in the lowest bit whether the client
    /// has not answered yet. 0: nothing was sent.
    packed: u32,
}

impl Replied {
    pub fn in_round(round: u32) -> Replied {
        Replied { packed: round << 1 | 1 }
    }

    pub fn is_unanswered(self) -> bool {
        self.packed & 1 == 1
    }

    /// The client has answered. True if it had not yet.
    pub fn answer(&mut self) -> bool {
        let was_unanswered = self.is_unanswered();
        self.packed &= !1;
        was_unanswered
    }

    /// Whether it was sent something in `round`.
    pub fn is_of(self, round: u32) -> bool {
        self.packed != 0 && self.age(round) == 0
    }

    /// Rounds since.
    pub fn age(self, round: u32) -> u32 {
        (round << 1).wrapping_sub(self.packed & !1) >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_distinguished_across_their_end() {
        for (then, now, age) in
            [(7, 7, 0), (7, 8, 1), (u32::MAX, 1, 2), (1 << 31, (1 << 31) + 5, 5)]
        {
            let mut replied = Replied::in_round(then);
            assert!(replied.is_unanswered());
            assert_eq!(replied.age(now), age, "{then} to {now}");
            assert!(replied.answer() && !replied.answer());
            assert_eq!(replied.age(now), age, "{then} to {now}");
        }
        assert!(!Replied::default().is_unanswered());
    }
}
