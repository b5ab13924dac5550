//! The same reply, once for each recipient.
use crate::smtp::workspace::REPLIES_BYTES_PAUSE;

/// The same reply, owed once for each recipient.
#[derive(Debug)]
pub struct OwedReplies {
    line: Vec<u8>,
    left: u32,
}

impl OwedReplies {
    /// Appends the reply that begins at `from`, the last one of `replies`, `times` times more.
    /// Returns what the replies may not grow by now.
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

    /// Appends what is owed, as far as the replies may grow; false if more is left.
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
