//! Output of a connection that the socket has not accepted yet. It refers to octets; it copies
//! none.
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use sinkd_bench::net::{self, Errno};

use super::message::{Message, Section};

/// Pieces that one call sends at most.
const PIECES_MAX: usize = 64;
/// Pieces of a send in most loads: the array for them costs less to fill than one for `PIECES_MAX`.
const PIECES_USUAL: usize = 4;

#[derive(Clone, Copy)]
enum Piece {
    /// A section of a message of the connection.
    Head { message: usize, section: Section },
    /// A command, or a body.
    Fixed(&'static [u8]),
}

impl Piece {
    #[inline]
    fn octets<'a>(&self, messages: &'a [Message]) -> &'a [u8] {
        match *self {
            Piece::Head { message, section } => messages[message].section(section),
            Piece::Fixed(octets) => octets,
        }
    }
}

/// What a call sent.
pub struct Sent {
    pub bytes: usize,
    /// Whether that is all that the call was given. If not, the socket is full.
    pub is_all: bool,
}

#[derive(Default)]
pub struct Outbox {
    /// Empty when all was sent.
    pieces: Vec<Piece>,
    /// Pieces that were sent; less than their number, unless that is 0.
    sent: usize,
    /// Bytes of the first unsent piece that were sent.
    sent_bytes: usize,
}

impl Outbox {
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.sent = 0;
        self.sent_bytes = 0;
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    #[inline]
    pub fn push(&mut self, octets: &'static [u8]) {
        self.pieces.push(Piece::Fixed(octets));
    }

    /// Appends a section of the message at `message` in the list of the connection's messages. It
    /// must not become another message before it is sent.
    #[inline]
    pub fn push_head(&mut self, message: usize, section: Section) {
        self.pieces.push(Piece::Head { message, section });
    }

    /// Returns what is left of the first piece; empty if there is none.
    #[inline]
    pub fn first<'a>(&self, messages: &'a [Message]) -> &'a [u8] {
        let first = self.pieces.get(self.sent);
        first.map_or(&[], |piece| &piece.octets(messages)[self.sent_bytes..])
    }

    /// Removes `bytes` from the beginning; there are not fewer.
    #[inline]
    pub fn advance(&mut self, bytes: usize, messages: &[Message]) {
        let mut sent_bytes = self.sent_bytes + bytes;
        while let Some(piece) = self.pieces.get(self.sent) {
            let piece_bytes = piece.octets(messages).len();
            if sent_bytes < piece_bytes {
                self.sent_bytes = sent_bytes;
                return;
            }
            sent_bytes -= piece_bytes;
            self.sent += 1;
        }
        self.clear();
    }

    /// Sends the beginning with one system call: up to `PIECES_MAX` pieces, of which there is one
    /// or more.
    #[inline]
    pub fn send(&mut self, socket: BorrowedFd<'_>, messages: &[Message]) -> Result<Sent, Errno> {
        let pieces = self.pieces.len() - self.sent;
        let (queued, bytes) = match pieces {
            1 => {
                let octets = self.first(messages);
                (octets.len(), net::send(socket, octets)?)
            }
            ..=PIECES_USUAL => self.gather_and_send::<PIECES_USUAL>(socket, messages)?,
            _ => self.gather_and_send::<PIECES_MAX>(socket, messages)?,
        };
        let is_all = bytes == queued;
        match is_all && pieces <= PIECES_MAX {
            true => self.clear(),
            false => self.advance(bytes, messages),
        }
        Ok(Sent { bytes, is_all })
    }

    /// Sends up to `N` pieces. Returns the bytes of these pieces, and how many of them were sent.
    #[inline]
    fn gather_and_send<const N: usize>(
        &self,
        socket: BorrowedFd<'_>,
        messages: &[Message],
    ) -> Result<(usize, usize), Errno> {
        let mut slices = [IoSlice::new(&[]); N];
        let slices = self.gather(&mut slices, messages);
        let queued = slices.iter().map(|slice| slice.len()).sum();
        Ok((queued, net::send_pieces(socket, slices)?))
    }

    /// Fills `slices` with the first unsent pieces. Returns those that it filled.
    #[inline]
    fn gather<'a, 'b>(
        &self,
        slices: &'b mut [IoSlice<'a>],
        messages: &'a [Message],
    ) -> &'b [IoSlice<'a>] {
        let pieces = &self.pieces[self.sent..];
        let filled = pieces.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece.octets(messages));
        }
        if let Some(first) = slices.first_mut() {
            first.advance(self.sent_bytes);
        }
        &slices[..filled]
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Class, Form};
    use super::super::options::Mode;
    use super::super::random::Random;
    use super::*;

    /// Returns an outbox with a header, a body and a command, its messages, and its octets.
    fn filled() -> (Outbox, Vec<Message>, Vec<u8>) {
        let form = Form { mode: Mode::Plain, recipients: 1 };
        let class = Class::new(1_000, &form, &mut Random::new(1));
        let mut message = Message::with_room(class.head_bytes());
        message.write(&class, 7);
        let mut outbox = Outbox::default();
        outbox.push_head(0, class.header);
        outbox.push(class.body);
        outbox.push(b"QUIT\r\n");
        let octets = [message.section(class.header), class.body, b"QUIT\r\n"].concat();
        (outbox, vec![message], octets)
    }

    fn left_in(outbox: &Outbox, messages: &[Message]) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let slices = outbox.gather(&mut slices, messages);
        slices.iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn what_is_left_does_not_depend_on_how_much_was_sent_at_a_time() {
        let (_, _, octets) = filled();
        for step in [1, 3, 64, 999, octets.len()] {
            let (mut outbox, messages, _) = filled();
            let mut sent = 0;
            while sent < octets.len() {
                assert_eq!(left_in(&outbox, &messages), octets[sent..], "{step} at a time");
                assert!(octets[sent..].starts_with(outbox.first(&messages)));
                assert!(!outbox.is_empty());
                let bytes = step.min(octets.len() - sent);
                outbox.advance(bytes, &messages);
                sent += bytes;
            }
            assert!(outbox.is_empty() && outbox.first(&messages).is_empty());
        }
    }
}
