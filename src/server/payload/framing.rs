//! Where a payload ends: at the end of data, or after a number of octets.
use crate::smtp::data::{END_BYTES, EndOfData};

const _: () = assert!(size_of::<Framing>() <= 16, "copied before each piece is scanned");

/// How the end of a payload is marked.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// Mail data after 354, up to the end of data (RFC 5321 section 4.1.1.4).
    Data(EndOfData),
    /// A BDAT chunk with `left` octets still to arrive (RFC 3030 section 2).
    Chunk { left: u64, last: bool },
}

/// The part of a piece of input that belongs to a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// Length of that part, end of data included.
    pub octets: usize,
    /// Whether the mail data, or the chunk, is complete with it.
    pub is_end: bool,
}

impl Framing {
    /// Returns the framing of mail data that has yet to arrive.
    pub fn data() -> Framing {
        Framing::Data(EndOfData::new())
    }

    /// Returns how many of the next `octets` can belong to the payload; a scan may find fewer.
    #[inline]
    pub fn bound(&self, octets: usize) -> usize {
        match self {
            Framing::Data(_) => octets,
            Framing::Chunk { left, .. } => {
                usize::try_from(*left).map_or(octets, |left| left.min(octets))
            }
        }
    }

    /// Scans `piece`, the next octets. Adds the number of stuffed dots to `dots`.
    #[inline]
    pub fn scan(&mut self, piece: &[u8], dots: &mut u32) -> Scanned {
        match self {
            Framing::Data(end) => match end.scan(piece, dots) {
                Some(octets) => Scanned { octets, is_end: true },
                None => Scanned { octets: piece.len(), is_end: false },
            },
            Framing::Chunk { .. } => {
                let octets = self.bound(piece.len());
                let Framing::Chunk { left, .. } = self else { unreachable!("matched above") };
                *left -= octets as u64;
                Scanned { octets, is_end: *left == 0 }
            }
        }
    }

    /// Returns whether more octets must arrive before the mail data, or the chunk, is complete.
    #[inline]
    pub fn needs_octets(&self) -> bool {
        !matches!(self, Framing::Chunk { left: 0, .. })
    }

    /// Returns whether what is being received now completes the message.
    #[inline]
    pub fn is_last(&self) -> bool {
        matches!(self, Framing::Data(_) | Framing::Chunk { last: true, .. })
    }

    #[inline]
    pub fn is_chunked(&self) -> bool {
        matches!(self, Framing::Chunk { .. })
    }

    /// Returns the number of octets at the end of the wire form that are not part of the payload.
    #[inline]
    pub fn end_bytes(&self) -> usize {
        if self.is_chunked() { 0 } else { END_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_takes_exactly_its_octets() {
        let mut dots = 0;
        let mut framing = Framing::Chunk { left: 5, last: true };
        assert_eq!(framing.bound(9), 5);
        assert_eq!(framing.scan(b"..\r", &mut dots), Scanned { octets: 3, is_end: false });
        assert!(framing.needs_octets());
        assert_eq!(framing.scan(b"\n.\r\n", &mut dots), Scanned { octets: 2, is_end: true });
        assert_eq!((dots, framing.needs_octets()), (0, false));
    }

    #[test]
    fn mail_data_ends_with_the_end_of_data_wherever_reads_are_cut() {
        let wire = b"a\r\n..b\r\n.\r\nQUIT\r\n";
        for cut in 0..11 {
            let (mut framing, mut dots) = (Framing::data(), 0);
            let first = framing.scan(&wire[..cut], &mut dots);
            assert_eq!(first, Scanned { octets: cut, is_end: false });
            let rest = framing.scan(&wire[cut..], &mut dots);
            assert_eq!(rest, Scanned { octets: 11 - cut, is_end: true }, "cut at {cut}");
            assert_eq!(dots, 1);
        }
    }
}
