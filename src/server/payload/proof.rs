//! The proof that a 250 after the end of data requires.
use crate::log::{Committed, Counted, MessageId};
use crate::smtp::session::Receipt;

/// Proof that the log has a message, or has counted it.
///
/// This is the only type that implements [`Receipt`] (`tests/tidy` checks that), and only the log
/// can create its contents: a message can't be acknowledged without being committed.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// The message is in the log.
    Committed(Committed),
    /// Nothing of the message is stored.
    Counted(Counted),
}

impl Proof {
    /// Returns the message's id, if it has one.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Proof::Committed(committed) => Some(committed.id()),
            Proof::Counted(_) => None,
        }
    }
}

impl Receipt for Proof {
    #[inline]
    fn write_name(&self, out: &mut Vec<u8>) {
        match self.id() {
            Some(id) => {
                write_decimal(id.segment, out);
                out.push(b':');
                write_decimal(id.slot, out);
            }
            None => out.extend_from_slice(b"(counted, not stored)"),
        }
    }
}

/// Appends `number`. Every message's reply needs this, so it avoids the formatting machinery.
fn write_decimal(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[from..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_decimals() {
        for number in [0, 7, 10, 4_294_967_295] {
            let mut out = Vec::new();
            write_decimal(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
