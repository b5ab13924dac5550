//! The input of the connection whose turn it is.

use std::ops::Range;

use crate::tls::RECORD_BYTES_MAX;

/// Octets of input taken up at once; what can't be consumed at the moment is held in a buffer.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// How far the input could be consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consumed {
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
    /// The handshake of TLS begins once the replies have left.
    Secures,
    /// What came cannot begin a session: the connection closes without a word.
    Unwanted,
}

/// Input not yet consumed, in the worker's scratch buffer. Under TLS, octets that are not opened
/// yet lie after it: `turn/tls/receive.rs`.
pub(crate) struct Input {
    pub bytes: Vec<u8>,
    start: usize,
    end: usize,
    sealed: Range<usize>,
    /// The last read of sealed octets has emptied the socket.
    pub is_drained: bool,
}

impl Input {
    pub fn new(bytes: Vec<u8>) -> Input {
        Input { bytes, start: 0, end: 0, sealed: 0..0, is_drained: false }
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

    // ------------------------------------------------------------ under TLS

    /// What was read and not opened yet.
    pub fn sealed(&mut self) -> &mut [u8] {
        &mut self.bytes[self.sealed.clone()]
    }

    /// What is unread came before TLS was expected, after a PROXY header: it is sealed, too.
    pub fn seal_unread(&mut self) {
        if !self.is_empty() {
            assert!(self.sealed.is_empty(), "nothing was sealed before the handshake");
            self.sealed = self.start..self.end;
            self.start = self.end;
        }
    }

    /// Whether there is anything that was not opened yet.
    pub fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Free space after what is sealed, with room for a record; all before it moves to the front.
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

    /// The first `octets` of `free_after_sealed` are now filled.
    pub fn advance_sealed(&mut self, octets: usize) {
        assert!(self.sealed.end + octets <= self.bytes.len(), "filled beyond the buffer");
        self.sealed.end += octets;
    }

    /// The first `octets` of what is sealed are done with.
    pub fn skip_sealed(&mut self, octets: usize) {
        assert!(octets <= self.sealed.len(), "skipped more than there is");
        self.sealed.start += octets;
    }

    /// The first `octets` of what is sealed are a record that was opened: its content is at `place`
    /// of them, and follows what is unread. That is mostly nothing, or part of a line, which moves:
    /// the content stays where it is.
    pub fn opened(&mut self, place: Range<usize>, octets: usize) {
        let from = self.sealed.start + place.start;
        let unread = self.end - self.start;
        self.bytes.copy_within(self.start..self.end, from - unread);
        (self.start, self.end) = (from - unread, self.sealed.start + place.end);
        self.skip_sealed(octets);
    }

    /// What an earlier turn has left: put after what is unread.
    pub fn put_sealed(&mut self, octets: &[u8]) {
        self.sealed = self.end..self.end + octets.len();
        self.bytes[self.sealed.clone()].copy_from_slice(octets);
    }

    /// Content that came with the end of a handshake: put before what is sealed.
    pub fn fill_before_sealed(&mut self, content: &[u8]) {
        if content.is_empty() {
            return;
        }
        assert!(self.is_empty(), "before the end of the handshake there is no content");
        let to = content.len()..content.len() + self.sealed.len();
        self.bytes.copy_within(self.sealed.clone(), to.start);
        self.bytes[..content.len()].copy_from_slice(content);
        (self.start, self.end, self.sealed) = (0, content.len(), to);
    }
}
