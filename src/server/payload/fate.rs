//! What becomes of the octets of a payload: how much of them is stored, or why none is.
use memchr::memchr;

use crate::config::storage::StoreMode;
use crate::log::StorageMode;
use crate::smtp::session::Refusal;

/// What becomes of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is stored, so it may go straight from the socket into the log.
    Keep,
    /// The header section is stored.
    Headers(HeaderSection),
    /// The envelope is stored, and nothing of the payload.
    Envelope,
    /// The message is counted, and nothing of it stored.
    Count,
    /// The message is not accepted: what still comes is thrown away, and this is the reply.
    Refused(Refusal),
}

impl Fate {
    pub fn of(store: StoreMode) -> Fate {
        match store {
            StoreMode::Full => Fate::Keep,
            StoreMode::Headers => Fate::Headers(HeaderSection::new()),
            StoreMode::Envelope => Fate::Envelope,
            StoreMode::Nothing => Fate::Count,
        }
    }

    /// Whether the next octets are stored.
    pub fn keeps(&self) -> bool {
        match self {
            Fate::Keep => true,
            Fate::Headers(section) => !section.is_over,
            Fate::Envelope | Fate::Count | Fate::Refused(_) => false,
        }
    }

    /// The first octets of `piece` that have one fate: at most up to the end of the headers.
    pub fn part<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        match self {
            Fate::Headers(section) if !section.is_over => &piece[..section.scan(piece)],
            _ => piece,
        }
    }

    /// What the slot says of a message with this fate.
    pub fn mode(&self) -> StorageMode {
        match self {
            Fate::Headers(_) => StorageMode::Headers,
            Fate::Envelope => StorageMode::Envelope,
            Fate::Keep => StorageMode::Full,
            Fate::Count | Fate::Refused(_) => {
                unreachable!("a message that is counted or refused has no slot")
            }
        }
    }
}

/// The header section of a payload, as far as it has come. It ends with the first empty line:
/// CRLF CRLF, or CRLF alone at the very beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSection {
    /// Octets of CRLF CRLF that have been seen last.
    matched: u8,
    is_over: bool,
    /// What was stored, octets of the wire.
    pub kept_bytes: u64,
    /// Stuffed dots among them.
    pub kept_dots: u32,
}

impl HeaderSection {
    pub fn new() -> HeaderSection {
        // As if a line had ended before.
        HeaderSection { matched: 2, is_over: false, kept_bytes: 0, kept_dots: 0 }
    }

    /// Returns how many octets of `piece` belong to the section.
    pub fn scan(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        while at < piece.len() && !self.is_over {
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
            self.is_over = self.matched == 4;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_with_the_first_empty_line_however_it_is_cut() {
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
                let found = section.is_over.then_some(octets);
                assert_eq!(found, end, "{} by {piece_bytes}", wire.escape_ascii());
                assert!(section.is_over || octets == wire.len(), "all of it, until it is over");
            }
        }
    }
}
