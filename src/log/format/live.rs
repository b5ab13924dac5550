//! The live page: counts, state, and the totals written at sealing.
use super::seed::Seed;
use super::words::{get64, put64};
use crate::time::UnixNs;

/// The live page's `published` word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Number of slots that readers may read.
    pub slots: u32,
    /// Number of messages among them.
    pub messages: u32,
}

impl Published {
    pub(crate) fn word(self) -> u64 {
        u64::from(self.slots) | u64::from(self.messages) << 32
    }

    pub(crate) fn from_word(word: u64) -> Published {
        Published { slots: word as u32, messages: (word >> 32) as u32 }
    }
}

/// A segment's state, as stored in its live page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The worker may still commit into the segment (or was killed before it could seal the
    /// segment).
    Open,
    /// The segment will not change.
    Sealed,
    /// The segment will not change, but one of its flushes failed: slot `from` and later ones may
    /// not be on disk.
    Suspect {
        /// The first slot in doubt.
        from: u32,
    },
}

impl State {
    pub(crate) fn word(self) -> u64 {
        match self {
            State::Open => 0,
            State::Sealed => 1,
            State::Suspect { from } => 2 | u64::from(from) << 32,
        }
    }

    pub(crate) fn from_word(word: u64) -> Option<State> {
        match word as u32 {
            0 if word == 0 => Some(State::Open),
            1 if word == 1 => Some(State::Sealed),
            2 => Some(State::Suspect { from: (word >> 32) as u32 }),
            _ => None,
        }
    }
}

/// Totals that are written to the live page when a segment is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SealedTotals {
    /// Offset of the first octet after the last record.
    pub records_end: u64,
    /// `received_at` of the first slot; 1970 without slots.
    pub first_received_at_ns: UnixNs,
    /// `received_at` of the last slot; 1970 without slots.
    pub last_received_at_ns: UnixNs,
    /// Total size of all messages, even if they were not stored in full.
    pub message_bytes: u64,
    /// Octets before `records_end` that belong to no record, including alignment.
    pub hole_bytes: u64,
    /// Number of slots below `published` that recovery found unreadable.
    pub lost_slots: u32,
    /// Number of messages lost with these slots.
    pub lost_messages: u32,
}

impl SealedTotals {
    fn words(&self) -> [u64; 6] {
        [
            self.records_end,
            self.first_received_at_ns.get(),
            self.last_received_at_ns.get(),
            self.message_bytes,
            self.hole_bytes,
            u64::from(self.lost_messages) | u64::from(self.lost_slots) << 32,
        ]
    }
}

// Offsets in the live page, in words of 8 octets.
pub(crate) const PUBLISHED_WORD: usize = 0;
pub(crate) const REJECTIONS_WORD: usize = 1;
pub(crate) const NOTES_WORD: usize = 2;
pub(crate) const COUNTED_WORD: usize = 3;
pub(crate) const STATE_WORD: usize = 8;
pub(crate) const TOTALS_WORD: usize = STATE_WORD + 1;
pub(crate) const SEAL_CHECK_WORD: usize = TOTALS_WORD + 6;
pub(crate) const SYNCED_WORD: usize = SEAL_CHECK_WORD + 1;
/// More messages than a segment can count: at a million per second, that would take years.
pub(crate) const COUNTED_MAX: u64 = 1 << 48;
/// Number of words in the live page that are used; the rest is zero.
pub(crate) const LIVE_WORDS: usize = SYNCED_WORD + 1;
/// The upper half of the `synced` word ("SYNC"); the lower half repeats the seal check.
const SYNCED_MARK: u64 = 0x434e_5953 << 32;

/// A copy of the live page's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LiveWords(pub [u64; LIVE_WORDS]);

impl LiveWords {
    /// Decodes a page of at least `8 * LIVE_WORDS` octets.
    pub(crate) fn decode(page: &[u8]) -> LiveWords {
        LiveWords(std::array::from_fn(|i| get64(page, 8 * i)))
    }

    pub(crate) fn encode(&self) -> [u8; 8 * LIVE_WORDS] {
        let mut page = [0; 8 * LIVE_WORDS];
        for (i, word) in self.0.iter().enumerate() {
            put64(&mut page, 8 * i, *word);
        }
        page
    }

    pub(crate) fn published(&self) -> Published {
        Published::from_word(self.0[PUBLISHED_WORD])
    }

    /// Returns the state; `None` if it is damaged.
    pub(crate) fn state(&self) -> Option<State> {
        State::from_word(self.0[STATE_WORD])
    }

    pub(crate) fn totals(&self) -> SealedTotals {
        let word = |i: usize| self.0[TOTALS_WORD + i];
        SealedTotals {
            records_end: word(0),
            first_received_at_ns: UnixNs::new(word(1)),
            last_received_at_ns: UnixNs::new(word(2)),
            message_bytes: word(3),
            hole_bytes: word(4),
            lost_messages: word(5) as u32,
            lost_slots: (word(5) >> 32) as u32,
        }
    }

    /// Stores totals, their checksum and the state.
    pub(crate) fn seal(&mut self, seed: &Seed, totals: &SealedTotals, state: State) {
        self.0[TOTALS_WORD..][..6].copy_from_slice(&totals.words());
        self.0[SEAL_CHECK_WORD] = u64::from(self.seal_crc(seed));
        self.0[STATE_WORD] = state.word();
    }

    fn seal_crc(&self, seed: &Seed) -> u32 {
        let counts = [self.0[0], self.0[1], self.0[2], self.0[3]];
        let totals: [u64; 6] = std::array::from_fn(|i| self.0[TOTALS_WORD + i]);
        seed.seal_crc(&counts, &totals)
    }

    /// Returns whether the page is marked as sealed and its counts and totals match their checksum.
    pub(crate) fn is_sealed(&self, seed: &Seed) -> bool {
        matches!(self.state(), Some(State::Sealed | State::Suspect { .. }))
            && self.0[SEAL_CHECK_WORD] == u64::from(self.seal_crc(seed))
    }

    /// Returns whether the segment is sealed except for the state: counts and totals match their
    /// checksum.
    pub(crate) fn is_almost_sealed(&self, seed: &Seed) -> bool {
        self.state() == Some(State::Open)
            && self.0[SEAL_CHECK_WORD] != 0
            && self.0[SEAL_CHECK_WORD] == u64::from(self.seal_crc(seed))
    }

    /// Returns whether a flush of the sealed segment succeeded.
    pub(crate) fn is_synced(&self, seed: &Seed) -> bool {
        self.is_sealed(seed) && self.0[SYNCED_WORD] == self.synced_word()
    }

    /// Returns the value of the `synced` word after a successful flush.
    pub(crate) fn synced_word(&self) -> u64 {
        SYNCED_MARK | self.0[SEAL_CHECK_WORD]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::StoreId;

    fn seed() -> Seed {
        Seed::new(StoreId([5; 16]), 7)
    }

    #[test]
    fn the_seal_check_covers_counts_and_totals() {
        let mut words = LiveWords::default();
        words.0[PUBLISHED_WORD] = Published { slots: 4, messages: 3 }.word();
        assert!(!words.is_sealed(&seed()));
        words.seal(
            &seed(),
            &SealedTotals { records_end: 9000, ..SealedTotals::default() },
            State::Sealed,
        );
        assert!(words.is_sealed(&seed()) && !words.is_synced(&seed()));
        words.0[SYNCED_WORD] = words.synced_word();
        assert!(words.is_synced(&seed()));
        for i in (0..4).chain(TOTALS_WORD..=SEAL_CHECK_WORD) {
            let mut changed = words;
            changed.0[i] ^= 1;
            assert!(!changed.is_sealed(&seed()), "word {i}");
        }
        for state in [State::Open, State::Sealed, State::Suspect { from: 17 }] {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word(3), None);
    }
}
