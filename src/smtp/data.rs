//! End of data (RFC 5321 4.1.1.4) and transparency (4.5.2).

/// Scanner for CRLF.CRLF over pieces of wire data; starts "after CRLF". Few bytes of state.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndOfData {
    _state: u8,
}
impl EndOfData {
    pub fn new() -> Self {
        Self::default()
    }
    /// Scans the next piece. `Some(n)`: end of data ends after `n` octets of this piece, and the
    /// payload is everything received so far up to there less the last 3 octets (`.` CRLF).
    /// `None`: not yet. Stuffed dots are added to `dots`.
    pub fn scan(&mut self, _piece: &[u8], _dots: &mut u32) -> Option<usize> {
        unimplemented!()
    }
}
