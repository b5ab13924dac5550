//! Where a payload ends: at the end of data, or after a number of octets.
use crate::smtp::data::{END_BYTES, EndOfData};

const _: () = assert!(size_of::<Framing>() <= 16, "copied before each piece is scanned");

/// How the client tells where its payload ends.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// Mail data after 354, up to the end of data (RFC 5321 section 4.1.1.4).
    Data(EndOfData),
    /// A BDAT chunk, of which `left` octets are still to come (RFC 3030 section 2).
    Chunk { left: u64, last: bool },
}

/// What a piece holds of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// The first octets of the piece, end of data included.
    pub octets: usize,
    /// With them the mail data, or the chunk, is whole.
    pub is_end: bool,
}

impl Framing {
    /// Mail data of which nothing has come.
    pub fn data() -> Framing {
        Framing::Data(EndOfData::new())
    }

    /// How many of the next `octets` may belong to the payload; a scan may find fewer.
    #[inline]
    pub fn bound(&self, octets: usize) -> usize {
        match self {
            Framing::Data(_) => octets,
            Framing::Chunk { left, .. } => {
                usize::try_from(*left).map_or(octets, |left| left.min(octets))
            }
        }
    }

    /// Goes on over `piece`. Adds stuffed dots to `dots`.
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

    /// Whether more octets must come before the mail data, or the chunk, is whole.
    #[inline]
    pub fn needs_octets(&self) -> bool {
        !matches!(self, Framing::Chunk { left: 0, .. })
    }

    /// Whether the message is whole with what is being received now.
    #[inline]
    pub fn is_last(&self) -> bool {
        matches!(self, Framing::Data(_) | Framing::Chunk { last: true, .. })
    }

    #[inline]
    pub fn is_chunked(&self) -> bool {
        matches!(self, Framing::Chunk { .. })
    }

    /// Octets at the end of a whole payload that are not part of it.
    #[inline]
    pub fn end_bytes(&self) -> usize {
        if self.is_chunked() { 0 } else { END_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_takes_its_octets_and_no_more() {
        let mut dots = 0;
        let mut framing = Framing::Chunk { left: 5, last: true };
        assert_eq!(framing.bound(9), 5);
        assert_eq!(framing.scan(b"..\r", &mut dots), Scanned { octets: 3, is_end: false });
        assert!(framing.needs_octets());
        assert_eq!(framing.scan(b"\n.\r\n", &mut dots), Scanned { octets: 2, is_end: true });
        assert_eq!((dots, framing.needs_octets()), (0, false));
    }

    #[test]
    fn mail_data_ends_with_the_end_of_data_however_it_is_cut() {
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
