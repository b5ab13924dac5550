//! Unconsumed input of the connection that has its turn.

use std::ops::Range;

use crate::tls::RECORD_BYTES_MAX;

/// Limit on the octets of one read. Input that can't be consumed yet is held in a buffer of the
/// connection.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Why consuming the input ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consumed {
    /// All of it was consumed, up to an incomplete line: more input is needed.
    All,
    /// The reply buffer is full: replies must be sent first.
    Full,
    /// A payload waits for room in the log or for the end of a commit.
    Parked,
    /// The session is over.
    Closing,
    /// PROXY or XCLIENT has named the client: its session may begin.
    Identified,
    /// The TLS handshake begins once the replies have been sent.
    StartsTls,
    /// A step of the TLS handshake comes next.
    Handshake,
    /// The input can't begin a session: the connection closes without a reply.
    Unwanted,
}

/// Input that was not consumed yet, in the worker's scratch buffer. Under TLS, octets that were not
/// decrypted yet follow it (`turn/tls/receive.rs`).
pub(crate) struct Input {
    pub bytes: Vec<u8>,
    start: usize,
    end: usize,
    sealed: Range<usize>,
    /// Whether the last read of encrypted octets emptied the socket.
    pub is_drained: bool,
}

impl Input {
    pub fn new(bytes: Vec<u8>) -> Input {
        Input { bytes, start: 0, end: 0, sealed: 0..0, is_drained: false }
    }

    /// Marks the first `octets` of `free` as filled.
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

    /// Moves unread input to the front, and returns the free space after it.
    pub fn free(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let limit = INPUT_BYTES_MAX.max(self.end + 1).min(self.bytes.len());
        &mut self.bytes[self.end..limit]
    }

    /// Puts `octets`, which arrived after the end of a payload, into the empty input.
    pub fn fill(&mut self, octets: &[u8]) {
        assert!(self.is_empty(), "payload is received only when all input is consumed");
        self.bytes[..octets.len()].copy_from_slice(octets);
        (self.start, self.end) = (0, octets.len());
    }

    // ------------------------------------------------------------ under TLS

    /// Returns the octets that were read and not decrypted yet.
    pub fn sealed(&mut self) -> &mut [u8] {
        &mut self.bytes[self.sealed.clone()]
    }

    /// Treats unread input as encrypted: it arrived after a PROXY header, before TLS was expected.
    pub fn seal_unread(&mut self) {
        if !self.is_empty() {
            assert!(self.sealed.is_empty(), "nothing was sealed before the handshake");
            self.sealed = self.start..self.end;
            self.start = self.end;
        }
    }

    /// Returns whether there are octets that were not decrypted yet.
    pub fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Moves everything to the front, and returns free space after the encrypted octets, with room
    /// for a record.
    pub fn free_after_sealed(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.sealed.start > self.end {
            self.bytes.copy_within(self.sealed.clone(), self.end);
            self.sealed = self.end..self.end + self.sealed.len();
        }
        let from = self.sealed.end.max(self.end);
        if self.sealed.is_empty() {
            self.sealed = from..from;
        }
        let limit = (from + INPUT_BYTES_MAX.max(RECORD_BYTES_MAX)).min(self.bytes.len());
        &mut self.bytes[from..limit]
    }

    /// Marks the first `octets` of `free_after_sealed` as filled.
    pub fn advance_sealed(&mut self, octets: usize) {
        assert!(self.sealed.end + octets <= self.bytes.len(), "filled beyond the buffer");
        self.sealed.end += octets;
    }

    /// Drops the first `octets` of the encrypted octets.
    pub fn skip_sealed(&mut self, octets: usize) {
        assert!(octets <= self.sealed.len(), "skipped more than there is");
        self.sealed.start += octets;
    }

    /// Takes in a decrypted record: the first `octets` of the encrypted octets, with its content at
    /// `place` in them. The content stays where it is, and unread input moves up to it: usually
    /// there is none, or only part of a line.
    pub fn opened(&mut self, place: Range<usize>, octets: usize) {
        let from = self.sealed.start + place.start;
        let unread = self.end - self.start;
        self.bytes.copy_within(self.start..self.end, from - unread);
        (self.start, self.end) = (from - unread, self.sealed.start + place.end);
        self.skip_sealed(octets);
    }

    /// Puts encrypted octets, left over from an earlier turn, after the unread input.
    pub fn put_sealed(&mut self, octets: &[u8]) {
        self.sealed = self.end..self.end + octets.len();
        self.bytes[self.sealed.clone()].copy_from_slice(octets);
    }

    /// Puts content that arrived with the end of a handshake before the encrypted octets.
    pub fn fill_before_sealed(&mut self, content: &[u8]) {
        if content.is_empty() {
            return;
        }
        assert!(self.is_empty(), "content arrives only at the end of the handshake");
        let to = content.len()..content.len() + self.sealed.len();
        self.bytes.copy_within(self.sealed.clone(), to.start);
        self.bytes[..content.len()].copy_from_slice(content);
        (self.start, self.end, self.sealed) = (0, content.len(), to);
    }
}
