//! The round of the last reply to a client.

/// The round in which a client was last sent something.
///
/// Packed into four octets, as there may be tens of thousands of idle connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replied {
    /// The round modulo 2^31 and, in the lowest bit, whether the client has yet to answer. 0:
    /// nothing was sent.
    packed: u32,
}

impl Replied {
    pub fn in_round(round: u32) -> Replied {
        Replied { packed: round << 1 | 1 }
    }

    pub fn is_unanswered(self) -> bool {
        self.packed & 1 == 1
    }

    /// Notes that the client has answered. Returns whether it had not answered before.
    pub fn answer(&mut self) -> bool {
        let was_unanswered = self.is_unanswered();
        self.packed &= !1;
        was_unanswered
    }

    /// Returns whether something was sent in `round`.
    pub fn is_in(self, round: u32) -> bool {
        self.packed != 0 && self.age(round) == 0
    }

    /// Returns the number of rounds since something was last sent.
    pub fn age(self, round: u32) -> u32 {
        (round << 1).wrapping_sub(self.packed & !1) >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_distinguished_across_the_overflow() {
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
