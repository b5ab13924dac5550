//! The input of the connection whose turn it is.

/// Octets of input taken up at once; what can't be consumed at the moment is held in a buffer.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// How far the input could be consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consumed {
    /// As far as it goes: more is needed.
    All,
    /// Replies must leave first.
    Full,
    /// Until there is room in the log, or a commit is done.
    Parked,
    /// The session is over.
    Closing,
    /// PROXY or XCLIENT has named the client: its session may begin.
    Identified,
    /// What came cannot begin a session: the connection closes without a word.
    Unwanted,
}

/// Input not yet consumed, in the worker's scratch buffer.
pub(super) struct Input {
    pub bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub fn new(bytes: Vec<u8>) -> Input {
        Input { bytes, start: 0, end: 0 }
    }

    /// The first `octets` of `free` are now filled.
    pub fn advance(&mut self, octets: usize) {
        assert!(self.end + octets <= self.bytes.len(), "filled beyond the buffer");
        self.end += octets;
    }

    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn consume(&mut self, octets: usize) {
        assert!(octets <= self.end - self.start, "consumed more than there is");
        self.start += octets;
    }

    /// Free space after what is unread, which moves to the front.
    pub fn free(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = INPUT_BYTES_MAX.max(self.end + 1).min(self.bytes.len());
        &mut self.bytes[self.end..limit]
    }

    /// What came after the end of a payload; nothing else may be unconsumed.
    pub fn fill(&mut self, octets: &[u8]) {
        assert!(self.is_empty(), "payload is received only when all input is consumed");
        self.bytes[..octets.len()].copy_from_slice(octets);
        (self.start, self.end) = (0, octets.len());
    }
}
