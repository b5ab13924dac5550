//! What is to be written: commands, and payload that lies where its mail has it.
use std::collections::VecDeque;
use std::io::IoSlice;

use super::mail::Mail;

/// Appends a number in decimal.
pub(super) fn number(number: u64, out: &mut Vec<u8>) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[derive(Debug, Clone, Copy)]
enum Piece {
    /// The next so many octets of `text`.
    Text(usize),
    /// Content of a mail from this octet on.
    Content { mail: u64, from: usize },
}

/// A queue of octets, of which positions count from the session's first one.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    text: Vec<u8>,
    /// Octets of `text` that were written.
    text_at: usize,
    pieces: VecDeque<Piece>,
    queued: u64,
    written: u64,
}

impl Outbox {
    /// Position behind everything that was queued.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Position behind everything that was written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Commands that wait to be written, octets.
    pub fn text_bytes(&self) -> usize {
        self.text.len() - self.text_at
    }

    /// Appends what `write` appends.
    #[inline]
    pub fn compose(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.text.len();
        write(&mut self.text);
        let octets = self.text.len() - before;
        self.queued += octets as u64;
        match self.pieces.back_mut() {
            Some(Piece::Text(len)) => *len += octets,
            _ => self.pieces.push_back(Piece::Text(octets)),
        }
    }

    /// Appends octets.
    pub fn text(&mut self, octets: &[u8]) {
        self.compose(|text| text.extend_from_slice(octets));
    }

    /// Appends the content of `mail`, by a name of it that `slices` and `wrote` know.
    pub fn content(&mut self, name: u64, mail: &Mail) {
        if mail.wire_bytes() > 0 {
            self.queued += mail.wire_bytes();
            self.pieces.push_back(Piece::Content { mail: name, from: 0 });
        }
    }

    /// Fills `slices` with what is to be written next; gives how many there are.
    pub fn slices<'a>(
        &'a self,
        slices: &mut [IoSlice<'a>],
        mail_of: impl Fn(u64) -> &'a Mail,
    ) -> usize {
        let (mut n, mut text_at) = (0, self.text_at);
        let mut push = |octets: &'a [u8]| {
            if !octets.is_empty() && n < slices.len() {
                slices[n] = IoSlice::new(octets);
                n += 1;
            }
            n < slices.len()
        };
        for piece in &self.pieces {
            let has_room = match *piece {
                Piece::Text(len) => {
                    text_at += len;
                    push(&self.text[text_at - len..text_at])
                }
                Piece::Content { mail, from } => {
                    let Mail { head, body, .. } = mail_of(mail);
                    push(&head[from.min(head.len())..])
                        && push(&body[from.saturating_sub(head.len())..])
                }
            };
            if !has_room {
                break;
            }
        }
        n
    }

    /// So many octets of them were written.
    pub fn wrote<'a>(&mut self, octets: usize, mail_of: impl Fn(u64) -> &'a Mail) {
        self.written += octets as u64;
        assert!(self.written <= self.queued, "nothing else can be written");
        let mut left = octets;
        while let Some(piece) = self.pieces.front_mut() {
            let (len, done) = match piece {
                Piece::Text(len) => {
                    let done = left.min(*len);
                    self.text_at += done;
                    *len -= done;
                    (*len, done)
                }
                Piece::Content { mail, from } => {
                    let whole = mail_of(*mail).wire_bytes() as usize;
                    let done = left.min(whole - *from);
                    *from += done;
                    (whole - *from, done)
                }
            };
            left -= done;
            if len > 0 {
                break;
            }
            self.pieces.pop_front();
        }
        if self.text_at == self.text.len() {
            self.text.clear();
            self.text_at = 0;
        }
    }

    /// Is nothing left to be written?
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
