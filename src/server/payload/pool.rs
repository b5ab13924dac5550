//! Buffers that connections borrow while they hold octets, and the budget for them.
use bytes::BytesMut;

/// Sizes of buffers, ascending. The largest can hold a worker's whole input buffer.
pub const CLASSES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];

/// Bytes of unused buffers kept for the next borrower, per class.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A borrowed buffer, filled up to some point.
#[derive(Debug)]
pub struct Buffer {
    bytes: BytesMut,
    filled: usize,
}

impl Buffer {
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Marks the first `bytes` octets of `free` as filled.
    pub fn advance(&mut self, bytes: usize) {
        assert!(self.filled + bytes <= self.bytes.len(), "filled beyond the buffer");
        self.filled += bytes;
    }

    /// Appends a copy of `piece`, which must fit.
    pub fn push(&mut self, piece: &[u8]) {
        self.free()[..piece.len()].copy_from_slice(piece);
        self.advance(piece.len());
    }

    pub fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

/// The buffers of one worker.
#[derive(Debug)]
pub struct TransferPool {
    kept: [Vec<BytesMut>; CLASSES.len()],
    lent_bytes: usize,
    budget_bytes: usize,
}

impl TransferPool {
    /// `budget_bytes`: limit on the octets lent at any time, across all classes.
    pub fn new(budget_bytes: usize) -> TransferPool {
        TransferPool { kept: Default::default(), lent_bytes: 0, budget_bytes }
    }

    /// Lends a buffer of at least `bytes` octets; `None` if the budget is used up. `bytes` is at
    /// most the largest class.
    pub fn take(&mut self, bytes: usize) -> Option<Buffer> {
        let class = CLASSES
            .iter()
            .position(|c| *c >= bytes)
            .expect("callers request at most the largest class");
        if self.lent_bytes + CLASSES[class] > self.budget_bytes {
            return None;
        }
        self.lent_bytes += CLASSES[class];
        let bytes = self.kept[class].pop().unwrap_or_else(|| BytesMut::zeroed(CLASSES[class]));
        Some(Buffer { bytes, filled: 0 })
    }

    /// Takes back a buffer that `take` returned.
    pub fn put_back(&mut self, buffer: Buffer) {
        let bytes = buffer.capacity();
        self.lent_bytes -= bytes;
        let class = CLASSES.iter().position(|c| *c == bytes).expect("every buffer has a class");
        if (self.kept[class].len() + 1) * bytes <= KEPT_BYTES_MAX {
            self.kept[class].push(buffer.bytes);
        }
    }

    /// Returns the number of octets that are lent.
    pub fn lent_bytes(&self) -> usize {
        self.lent_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_the_requested_size() {
        let mut pool = TransferPool::new(1 << 20);
        for (asked, given) in [(0, 4096), (4096, 4096), (4097, 16 << 10), (65536, 65536)] {
            let buffer = pool.take(asked).unwrap();
            assert_eq!(buffer.capacity(), given);
            pool.put_back(buffer);
        }
        assert_eq!(pool.lent_bytes(), 0);
    }

    #[test]
    fn the_budget_is_exact() {
        let mut pool = TransferPool::new(8192);
        let first = pool.take(1).unwrap();
        let _second = pool.take(1).unwrap();
        assert!(pool.take(1).is_none());
        pool.put_back(first);
        assert!(pool.take(1).is_some());
    }

    #[test]
    fn unused_buffers_are_kept_up_to_a_bound() {
        let mut pool = TransferPool::new(1 << 30);
        let lent: Vec<_> = (0..100).map(|_| pool.take(256 << 10).unwrap()).collect();
        lent.into_iter().for_each(|b| pool.put_back(b));
        assert_eq!(pool.kept[3].len() * (256 << 10), KEPT_BYTES_MAX);
    }
}
