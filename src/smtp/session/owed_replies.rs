//! Repeats a reply once per recipient, in portions.
use crate::smtp::workspace::REPLIES_BYTES_PAUSE;

/// A reply that is still to be sent a number of times.
#[derive(Debug)]
pub struct OwedReplies {
    line: Vec<u8>,
    left: u32,
}

impl OwedReplies {
    /// Appends the last reply in `replies`, which begins at `from`, `times` more times. Returns the
    /// rest if `replies` fills up first.
    pub fn repeat(replies: &mut Vec<u8>, from: usize, times: u32) -> Option<OwedReplies> {
        let to = replies.len();
        for given in 0..times {
            if replies.len() > REPLIES_BYTES_PAUSE {
                return Some(OwedReplies { line: replies[from..to].to_vec(), left: times - given });
            }
            replies.extend_from_within(from..to);
        }
        None
    }

    /// Appends replies until `replies` is full. Returns whether all were appended.
    pub fn append(&mut self, replies: &mut Vec<u8>) -> bool {
        while self.left > 0 {
            if replies.len() > REPLIES_BYTES_PAUSE {
                return false;
            }
            replies.extend_from_slice(&self.line);
            self.left -= 1;
        }
        true
    }
}
