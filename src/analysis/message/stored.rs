//! How much of a message is stored, and how to restore what was sent.
use std::borrow::Cow;

use crate::log::{Slot, StoredPart};
use crate::smtp::data::unstuff;

/// Returns how many bytes of the message are stored; `None` if it is stored in full.
pub fn stored_bytes(slot: &Slot) -> Option<u32> {
    let stored = slot.payload_bytes().saturating_sub(slot.facts().dots);
    let is_whole = slot.facts().mode == StoredPart::Full || stored == slot.facts().message_bytes;
    (!is_whole).then_some(stored)
}

/// Returns the octets of the message, or of the stored part. `payload` is the payload from the log,
/// still dot-stuffed.
pub fn message_octets<'a>(slot: &Slot, payload: &'a [u8]) -> Cow<'a, [u8]> {
    if slot.facts().dots == 0 { payload.into() } else { unstuff(payload) }
}
