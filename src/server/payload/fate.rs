//! How much of a payload is stored, or why none of it is.
use memchr::memchr;

use crate::config::storage::StoreMode;
use crate::log::StoredPart;
use crate::smtp::session::Refusal;

/// How a payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is stored, so it can go straight from the socket into the log.
    Keep,
    /// The header section is stored.
    Headers(HeaderSection),
    /// Only the envelope is stored.
    Envelope,
    /// The message is counted, but not stored.
    Count,
    /// The message is refused: the rest of the payload is discarded, and this selects the reply.
    Refused(Refusal),
}

impl Fate {
    pub fn from_mode(store: StoreMode) -> Fate {
        match store {
            StoreMode::Full => Fate::Keep,
            StoreMode::Headers => Fate::Headers(HeaderSection::new()),
            StoreMode::Envelope => Fate::Envelope,
            StoreMode::Nothing => Fate::Count,
        }
    }

    /// Returns whether the next octets are stored.
    pub fn keeps(&self) -> bool {
        match self {
            Fate::Keep => true,
            Fate::Headers(section) => !section.is_ended,
            Fate::Envelope | Fate::Count | Fate::Refused(_) => false,
        }
    }

    /// Returns the leading part of `piece` that is treated alike: at most up to the end of the
    /// headers.
    pub fn part<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        match self {
            Fate::Headers(section) if !section.is_ended => &piece[..section.scan(piece)],
            _ => piece,
        }
    }

    /// Returns the storage mode that the slot of such a message has; `None`: it has no slot.
    pub fn mode(&self) -> Option<StoredPart> {
        match self {
            Fate::Keep => Some(StoredPart::Full),
            Fate::Headers(_) => Some(StoredPart::Headers),
            Fate::Envelope => Some(StoredPart::Envelope),
            Fate::Count | Fate::Refused(_) => None,
        }
    }
}

/// The header section of a payload, as far as it has arrived. It ends with the first empty line:
/// CRLF CRLF, or CRLF alone at the very beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSection {
    /// The number of octets of CRLF CRLF matched by the last octets.
    matched: u8,
    is_ended: bool,
    /// Wire octets stored so far.
    pub kept_bytes: u64,
    /// Stuffed dots among those octets.
    pub kept_dots: u32,
}

impl HeaderSection {
    pub fn new() -> HeaderSection {
        // Starts as if a line had just ended.
        HeaderSection { matched: 2, is_ended: false, kept_bytes: 0, kept_dots: 0 }
    }

    /// Returns the number of octets of `piece` that belong to the section.
    pub fn scan(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        while at < piece.len() && !self.is_ended {
            if self.matched == 0 {
                let Some(skipped) = memchr(b'\r', &piece[at..]) else { return piece.len() };
                at += skipped;
            }
            self.matched = match (self.matched, piece[at]) {
                (0 | 2, b'\r') | (1 | 3, b'\n') => self.matched + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            at += 1;
            self.is_ended = self.matched == 4;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_with_the_first_empty_line_wherever_reads_are_cut() {
        for (wire, end) in [
            (&b"A: b\r\n\r\nbody"[..], Some(8)),
            (b"\r\nbody", Some(2)),
            (b"", None),
            (b"A: b\r\n", None),
            (b"A: b\n\nbody", None),
            (b"A: b\r\n\r", None),
            (b"A: b\r\n\r\r\n\r\n", Some(11)),
            (b"\r\r\n\r\n", Some(5)),
            (b"A\r\n \r\n\r\n\r\n", Some(8)),
        ] {
            for piece_bytes in 1..=wire.len().max(1) {
                let (mut section, mut octets) = (HeaderSection::new(), 0);
                for piece in wire.chunks(piece_bytes) {
                    octets += section.scan(piece);
                }
                let found = section.is_ended.then_some(octets);
                assert_eq!(found, end, "{} by {piece_bytes}", wire.escape_ascii());
                assert!(section.is_ended || octets == wire.len(), "all of it, until it is over");
            }
        }
    }
}
