//! The ID of a message, written as `segment:slot` in decimal.
use std::fmt;
use std::str::FromStr;

/// `segment:slot`. Orders by segment, then by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Segment number, from 1.
    pub segment: u32,
    /// Position in the segment, from 0.
    pub slot: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.slot)
    }
}

/// The text is not `segment:slot`, two decimal numbers below 2^32.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a message ID (segment:slot) such as 17:3")]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<MessageId, NotAnId> {
        let (segment, slot) = text.split_once(':').ok_or(NotAnId)?;
        Ok(MessageId { segment: number(segment)?, slot: number(slot)? })
    }
}

/// Accepts only digits: `u32::from_str` would accept a plus sign, too.
fn number(text: &str) -> Result<u32, NotAnId> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotAnId);
    }
    text.parse().map_err(|_| NotAnId)
}

impl MessageId {
    /// Encodes the ID as in a note's payload: segment, then slot, little-endian.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.segment) | u64::from(self.slot) << 32).to_le_bytes()
    }

    /// Decodes an ID encoded by [`MessageId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 8]) -> MessageId {
        let word = u64::from_le_bytes(bytes);
        MessageId { segment: word as u32, slot: (word >> 32) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printed_and_parsed() {
        let id = MessageId { segment: 17, slot: 3 };
        assert_eq!(id.to_string(), "17:3");
        assert_eq!("17:3".parse(), Ok(id));
        assert_eq!(MessageId::from_bytes(id.to_bytes()), id);
        for text in ["", "17", ":3", "17:", "17:3:1", "+1:2", "1:-2", "4294967296:0", " 1:2"] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAnId), "{text:?}");
        }
    }
}
