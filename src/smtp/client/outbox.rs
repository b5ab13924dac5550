//! The output queue: commands, and payload that stays in its message.
use std::collections::VecDeque;
use std::io::IoSlice;

use super::mail::OutgoingMail;

#[derive(Debug)]
enum OutboxPiece {
    /// The next N octets of `text`.
    Text(usize),
    /// Content of a message from octet `from` on.
    Content { mail: Box<OutgoingMail>, from: usize },
}

/// A queue of octets. Positions count from the first octet of the session.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    text: Vec<u8>,
    /// Number of octets of `text` that were written.
    text_at: usize,
    pieces: VecDeque<OutboxPiece>,
    queued: u64,
    written: u64,
}

impl Outbox {
    /// Returns the position after the last queued octet.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Returns the position after the last written octet.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Returns the number of command octets that are not written yet.
    pub fn text_bytes(&self) -> usize {
        self.text.len() - self.text_at
    }

    /// Queues the octets that `write` appends.
    #[inline]
    pub fn compose(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.text.len();
        write(&mut self.text);
        let octets = self.text.len() - before;
        self.queued += octets as u64;
        match self.pieces.back_mut() {
            Some(OutboxPiece::Text(len)) => *len += octets,
            _ => self.pieces.push_back(OutboxPiece::Text(octets)),
        }
    }

    /// Queues octets.
    pub fn text(&mut self, octets: &[u8]) {
        self.compose(|text| text.extend_from_slice(octets));
    }

    /// Queues the content of `mail`. Content of at most `joined_bytes_max` octets is copied, and
    /// `mail` goes to `release` at once. Otherwise it goes to the `release` of `mark_written`.
    pub fn content(
        &mut self,
        mail: Box<OutgoingMail>,
        joined_bytes_max: u64,
        release: impl FnOnce(Box<OutgoingMail>),
    ) {
        if mail.wire_bytes() <= joined_bytes_max {
            self.compose(|text| {
                text.extend_from_slice(&mail.head);
                text.extend_from_slice(&mail.body);
            });
            return release(mail);
        }
        self.queued += mail.wire_bytes();
        self.pieces.push_back(OutboxPiece::Content { mail, from: 0 });
    }

    /// Fills `slices` with the next output; returns the number of slices used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut n, mut text_at) = (0, self.text_at);
        let mut push = |octets: &'a [u8]| {
            if !octets.is_empty() && n < slices.len() {
                slices[n] = IoSlice::new(octets);
                n += 1;
            }
            n < slices.len()
        };
        for piece in &self.pieces {
            let has_room = match piece {
                OutboxPiece::Text(len) => {
                    text_at += len;
                    push(&self.text[text_at - len..text_at])
                }
                OutboxPiece::Content { mail, from } => {
                    let OutgoingMail { head, body, .. } = &**mail;
                    push(&head[head.len().min(*from)..])
                        && push(&body[from.saturating_sub(head.len())..])
                }
            };
            if !has_room {
                break;
            }
        }
        n
    }

    /// Records that `octets` octets were written. Each message whose content is now fully written
    /// goes to `release`.
    pub fn mark_written(&mut self, octets: usize, mut release: impl FnMut(Box<OutgoingMail>)) {
        self.written += octets as u64;
        assert!(self.written <= self.queued, "nothing else can be written");
        let mut unassigned = octets;
        while let Some(piece) = self.pieces.front_mut() {
            let (rest, done) = match piece {
                OutboxPiece::Text(len) => {
                    let done = unassigned.min(*len);
                    self.text_at += done;
                    *len -= done;
                    (*len, done)
                }
                OutboxPiece::Content { mail, from } => {
                    let whole = mail.wire_bytes() as usize;
                    let done = unassigned.min(whole - *from);
                    *from += done;
                    (whole - *from, done)
                }
            };
            unassigned -= done;
            if rest > 0 {
                break;
            }
            if let Some(OutboxPiece::Content { mail, .. }) = self.pieces.pop_front() {
                release(mail);
            }
        }
        if self.text_at == self.text.len() {
            self.text.clear();
            self.text_at = 0;
        }
    }

    /// Discards the queue; nothing more will be written.
    pub fn give_up(&mut self, mut release: impl FnMut(Box<OutgoingMail>)) {
        for piece in self.pieces.drain(..) {
            if let OutboxPiece::Content { mail, .. } = piece {
                release(mail);
            }
        }
    }

    /// Takes the buffer `room`, if the queue has none.
    pub fn lend(&mut self, room: &mut Vec<u8>) {
        if self.text.capacity() == 0 {
            self.text = std::mem::take(room);
        }
    }

    /// Returns the buffer to `room`, if no octets wait in it.
    pub fn return_buffer(&mut self, room: &mut Vec<u8>) {
        if self.text.is_empty() && self.text.capacity() > 0 {
            *room = std::mem::take(&mut self.text);
        }
    }

    /// Returns whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn mail(octets: usize) -> Box<OutgoingMail> {
        let mut mail = OutgoingMail::default();
        mail.head = vec![b'h'; octets / 3];
        mail.body = Bytes::from(vec![b'b'; octets - octets / 3]);
        Box::new(mail)
    }

    fn next(outbox: &Outbox, octets_max: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 3];
        let n = outbox.slices(&mut slices);
        let mut octets: Vec<u8> = slices[..n].iter().flat_map(|s| s.iter().copied()).collect();
        octets.truncate(octets_max);
        octets
    }

    #[test]
    fn output_is_in_order_and_every_mail_is_returned() {
        let copied = 4096;
        let sizes = [0, 1, copied, copied + 1, copied + 2, 5, 3 * copied];
        for cut in [1, 7, copied, copied + 9, usize::MAX] {
            let (mut outbox, mut release, mut expected) = (Outbox::default(), 0, Vec::new());
            for size in sizes {
                outbox.text(b"command\r\n");
                outbox.content(mail(size), copied as u64, |_| release += 1);
                expected.extend_from_slice(b"command\r\n");
                expected.extend_from_slice(&mail(size).head);
                expected.extend_from_slice(&mail(size).body);
            }
            assert_eq!(release, 4, "small ones come back at once");
            assert_eq!(outbox.queued(), expected.len() as u64);
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let octets = next(&outbox, cut);
                outbox.mark_written(octets.len(), |_| release += 1);
                written.extend(octets);
            }
            assert!(written == expected, "in pieces of {cut}");
            assert_eq!((release, outbox.written()), (sizes.len(), outbox.queued()));
        }
    }

    #[test]
    fn an_empty_buffer_is_returned() {
        let (mut outbox, mut room) = (Outbox::default(), Vec::with_capacity(100));
        outbox.lend(&mut room);
        outbox.text(b"NOOP\r\n");
        outbox.return_buffer(&mut room);
        assert_eq!(room.capacity(), 0, "something waits in it");
        outbox.mark_written(6, |_| {});
        outbox.return_buffer(&mut room);
        assert!(room.is_empty() && room.capacity() >= 100);
        outbox.return_buffer(&mut room);
        assert!(room.capacity() >= 100, "nothing is given for what was given back");
    }
}
