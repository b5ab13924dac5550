//! What of a message is stored, and how to get back what was sent.
use std::borrow::Cow;

use crate::log::{Slot, StorageMode};
use crate::smtp::data::unstuff;

/// Returns the bytes of the message that are stored; `None`: the whole message is stored.
pub fn stored_bytes(slot: &Slot) -> Option<u32> {
    let stored = slot.payload_bytes().saturating_sub(slot.facts().dots);
    let is_whole = slot.facts().mode == StorageMode::Full || stored == slot.facts().message_bytes;
    (!is_whole).then_some(stored)
}

/// Returns the octets of the message, or of what is stored of it. `payload`: as it is in the log,
/// with stuffed dots.
pub fn message_octets<'a>(slot: &Slot, payload: &'a [u8]) -> Cow<'a, [u8]> {
    if slot.facts().dots == 0 { payload.into() } else { unstuff(payload) }
}
