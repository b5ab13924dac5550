//! Slots: the facts of a message, and the location of its record.
use std::hash::{DefaultHasher, Hash, Hasher};

use super::id::MessageId;
use super::identity::SegmentIdentity;
use super::layout::{RECORDS_AT, SLOT_BYTES, SLOT_CRC_AT, slot_at};
use super::live::Published;
use super::seed::Seed;
use super::words::{get32, get64, put32, put64};
use crate::time::UnixNs;

/// The kind of a slot's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlotKind {
    /// A message that was received completely.
    #[default]
    Message,
    /// A refused recipient or message, with the reply.
    Rejection,
    /// A note about an earlier message. Its payload is that message's ID, 8 bytes.
    Note,
}

/// The part of a message that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoredPart {
    /// Everything.
    #[default]
    Full,
    /// Everything up to the first empty line.
    Headers,
    /// The envelope alone.
    Envelope,
}

/// The content of a slot, apart from location, lengths and checksums.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlotFacts {
    /// The kind of the record.
    pub kind: SlotKind,
    /// How much of the message is stored.
    pub mode: StoredPart,
    /// Commit time (monotonic clock plus an offset taken at start).
    pub received_at_ns: UnixNs,
    /// Time from the accepted MAIL to the commit, in µs, saturating.
    pub transaction_us: u32,
    /// The session's number.
    pub session: u64,
    /// Stuffed dots in the stored payload.
    pub dots: u32,
    /// Size of the message (RFC 1870), even if it was not stored in full.
    pub message_bytes: u32,
    /// The final reply code, such as 250.
    pub reply_code: u16,
    /// The enhanced code of that reply (RFC 2034).
    pub enhanced: [u8; 3],
    /// Whether the message arrived by BDAT.
    pub chunked: bool,
}

/// The file that slots are read from: the seed of their checksums, and a mark that identifies the
/// file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotSource {
    seed: Seed,
    number: u32,
    segment_bytes: u64,
    mark: FileMark,
}

/// Identifies the file of a segment: 64 bits of a hash over its device, inode and identity page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileMark(u64);

impl SlotSource {
    /// Describes the file that `device` and `inode` identify, and whose identity page is
    /// `identity`.
    pub(crate) fn new(identity: &SegmentIdentity, device: u64, inode: u64) -> SlotSource {
        let mut hasher = DefaultHasher::new();
        (device, inode, identity.store.0, identity.number).hash(&mut hasher);
        (identity.boot.0, identity.created_at_ns).hash(&mut hasher);
        SlotSource {
            seed: identity.seed(),
            number: identity.number,
            segment_bytes: identity.segment_bytes,
            mark: FileMark(hasher.finish()),
        }
    }

    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Decodes slot `index` from its 64 octets, which may have any value. The only way to create a
    /// [`Slot`].
    ///
    /// Returns `None` if the checksum is wrong, or if the record would be outside the record area
    /// of the file. This is the case for zeros, and for slots of another segment or of a recycled
    /// file's earlier use.
    pub(crate) fn decode(&self, octets: &[u8], index: u32) -> Option<Slot> {
        let id = MessageId { segment: self.number, slot: index };
        decode_slot(octets, self, id)
    }
}

/// A slot that was read from a file, with a valid checksum.
///
/// Only the decoder creates it, and it remembers its file, so it can only be used to read the
/// record that it was written for.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    id: MessageId,
    record_offset: u64,
    payload_bytes: u32,
    envelope_bytes: u32,
    messages_before: u32,
    record_crc: u32,
    is_unknown: bool,
    file: FileMark,
    facts: SlotFacts,
}

impl Slot {
    /// The message's ID: segment and position.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Returns the offset of the envelope in the file; the payload follows it.
    pub fn record_offset(&self) -> u64 {
        self.record_offset
    }

    /// Returns the length of the stored payload.
    pub fn payload_bytes(&self) -> u32 {
        self.payload_bytes
    }

    /// Returns the length of the envelope.
    pub fn envelope_bytes(&self) -> u32 {
        self.envelope_bytes
    }

    /// Returns the number of messages in lower slots of this segment, including lost ones.
    pub fn messages_before(&self) -> u32 {
        self.messages_before
    }

    /// Returns the CRC32C over envelope and payload.
    pub fn record_crc(&self) -> u32 {
        self.record_crc
    }

    /// Returns whether the slot has a kind or storage mode that this program does not know. Then
    /// `kind` and `mode` of its facts are meaningless, and readers skip it.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Returns the facts of the message.
    pub fn facts(&self) -> &SlotFacts {
        &self.facts
    }

    /// Returns whether the slot counts as a message.
    pub fn is_message(&self) -> bool {
        self.facts.kind == SlotKind::Message && !self.is_unknown
    }

    /// Returns whether the slot was read from this file.
    pub(crate) fn is_of(&self, source: &SlotSource) -> bool {
        self.file == source.mark
    }

    /// Returns the offset of the first octet after the record.
    pub(crate) fn record_end(&self) -> u64 {
        self.record_offset + u64::from(self.envelope_bytes) + u64::from(self.payload_bytes)
    }
}

#[cfg(test)]
impl Slot {
    /// Returns a slot with an empty record, by encoding and decoding it.
    pub(crate) fn empty(id: MessageId, facts: &SlotFacts) -> Slot {
        use super::checksum::crc;
        use super::identity::SegmentKind;
        use super::names::{BootId, StoreId};
        let identity = SegmentIdentity {
            number: id.segment,
            store: StoreId::default(),
            segment_bytes: RECORDS_AT + SLOT_BYTES * (u64::from(id.slot) + 1),
            worker: 0,
            start_count: 1,
            boot: BootId::default(),
            created_at_ns: UnixNs::EPOCH,
            kind: SegmentKind::Shared,
        };
        let record =
            Record { offset: RECORDS_AT, envelope_bytes: 0, payload_bytes: 0, crc: crc(b"") };
        let before = Published { slots: id.slot, messages: 0 };
        let mut octets = [0; SLOT_BYTES as usize];
        encode_slot(&mut octets, &identity.seed(), before, &record, facts);
        let source = SlotSource::new(&identity, 0, 0);
        source.decode(&octets, id.slot).expect("it was just encoded")
    }
}

const RECORD_OFFSET_AT: usize = 0;
const PAYLOAD_BYTES_AT: usize = RECORD_OFFSET_AT + 8;
const MESSAGE_BYTES_AT: usize = PAYLOAD_BYTES_AT + 4;
const ENVELOPE_BYTES_AT: usize = MESSAGE_BYTES_AT + 4;
const DOTS_AT: usize = ENVELOPE_BYTES_AT + 4;
const RECEIVED_AT_AT: usize = DOTS_AT + 4;
const TRANSACTION_AT: usize = RECEIVED_AT_AT + 8;
const MESSAGES_BEFORE_AT: usize = TRANSACTION_AT + 4;
const SESSION_AT: usize = MESSAGES_BEFORE_AT + 4;
const REPLY_CODE_AT: usize = SESSION_AT + 8;
const KIND_AT: usize = REPLY_CODE_AT + 2;
const FLAGS_AT: usize = KIND_AT + 1;
const RECORD_CRC_AT: usize = FLAGS_AT + 1;
const ENHANCED_AT: usize = RECORD_CRC_AT + 4;
const _: () = assert!(ENHANCED_AT + 4 == SLOT_CRC_AT);

const FLAGS_MODE: u8 = 0b0000_0011;
const FLAGS_CHUNKED: u8 = 0b0000_0100;

/// A record that is complete except for its slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub offset: u64,
    pub envelope_bytes: u32,
    pub payload_bytes: u32,
    pub crc: u32,
}

impl Record {
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.envelope_bytes) + u64::from(self.payload_bytes)
    }
}

/// Encodes the 64 octets of a slot, where `before` counts the slots before it. Costs about 15 ns,
/// all of it for the checksum.
pub(crate) fn encode_slot(
    slot: &mut [u8],
    seed: &Seed,
    before: Published,
    record: &Record,
    facts: &SlotFacts,
) {
    assert!(slot.len() == SLOT_BYTES as usize);
    put64(slot, RECORD_OFFSET_AT, record.offset);
    put32(slot, PAYLOAD_BYTES_AT, record.payload_bytes);
    put32(slot, MESSAGE_BYTES_AT, facts.message_bytes);
    put32(slot, ENVELOPE_BYTES_AT, record.envelope_bytes);
    put32(slot, DOTS_AT, facts.dots);
    put64(slot, RECEIVED_AT_AT, facts.received_at_ns.get());
    put32(slot, TRANSACTION_AT, facts.transaction_us);
    put32(slot, MESSAGES_BEFORE_AT, before.messages);
    put64(slot, SESSION_AT, facts.session);
    slot[REPLY_CODE_AT..][..2].copy_from_slice(&facts.reply_code.to_le_bytes());
    slot[KIND_AT] = match facts.kind {
        SlotKind::Message => 1,
        SlotKind::Rejection => 2,
        SlotKind::Note => 3,
    };
    let mode = match facts.mode {
        StoredPart::Full => 0,
        StoredPart::Headers => 1,
        StoredPart::Envelope => 2,
    };
    slot[FLAGS_AT] = mode | if facts.chunked { FLAGS_CHUNKED } else { 0 };
    put32(slot, RECORD_CRC_AT, record.crc);
    slot[ENHANCED_AT..][..3].copy_from_slice(&facts.enhanced);
    slot[ENHANCED_AT + 3] = 0;
    let crc = seed.slot_crc(before.slots, slot);
    put32(slot, SLOT_CRC_AT, crc);
}

fn decode_slot(slot: &[u8], source: &SlotSource, id: MessageId) -> Option<Slot> {
    let record_offset = get64(slot, RECORD_OFFSET_AT);
    if record_offset < RECORDS_AT || get32(slot, SLOT_CRC_AT) != source.seed.slot_crc(id.slot, slot)
    {
        return None;
    }
    let (payload_bytes, envelope_bytes) =
        (get32(slot, PAYLOAD_BYTES_AT), get32(slot, ENVELOPE_BYTES_AT));
    let end = record_offset.checked_add(u64::from(envelope_bytes) + u64::from(payload_bytes))?;
    if end > slot_at(source.segment_bytes, id.slot)? {
        return None;
    }
    let (kind, known_kind) = match slot[KIND_AT] {
        1 => (SlotKind::Message, true),
        2 => (SlotKind::Rejection, true),
        3 => (SlotKind::Note, true),
        _ => (SlotKind::Note, false),
    };
    let (mode, known_mode) = match slot[FLAGS_AT] & FLAGS_MODE {
        0 => (StoredPart::Full, true),
        1 => (StoredPart::Headers, true),
        2 => (StoredPart::Envelope, true),
        _ => (StoredPart::Full, false),
    };
    let facts = SlotFacts {
        kind,
        mode,
        received_at_ns: UnixNs::new(get64(slot, RECEIVED_AT_AT)),
        transaction_us: get32(slot, TRANSACTION_AT),
        session: get64(slot, SESSION_AT),
        dots: get32(slot, DOTS_AT),
        message_bytes: get32(slot, MESSAGE_BYTES_AT),
        reply_code: u16::from_le_bytes([slot[REPLY_CODE_AT], slot[REPLY_CODE_AT + 1]]),
        enhanced: [slot[ENHANCED_AT], slot[ENHANCED_AT + 1], slot[ENHANCED_AT + 2]],
        chunked: slot[FLAGS_AT] & FLAGS_CHUNKED != 0,
    };
    Some(Slot {
        id,
        record_offset,
        payload_bytes,
        envelope_bytes,
        messages_before: get32(slot, MESSAGES_BEFORE_AT),
        record_crc: get32(slot, RECORD_CRC_AT),
        is_unknown: !(known_kind && known_mode),
        file: source.mark,
        facts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::format::identity::SegmentKind;
    use crate::log::format::names::{BootId, StoreId};

    const ID: MessageId = MessageId { segment: 7, slot: 3 };
    const BYTES: u64 = 16 << 10;

    fn source(store: u8, number: u32, segment_bytes: u64) -> SlotSource {
        let identity = SegmentIdentity {
            number,
            store: StoreId([store; 16]),
            segment_bytes,
            worker: 0,
            start_count: 1,
            boot: BootId::default(),
            created_at_ns: UnixNs::new(1),
            kind: SegmentKind::Shared,
        };
        SlotSource::new(&identity, 1, 2)
    }

    fn ours() -> SlotSource {
        source(5, ID.segment, BYTES)
    }

    fn seed() -> Seed {
        Seed::new(StoreId([5; 16]), ID.segment)
    }

    fn encoded() -> [u8; SLOT_BYTES as usize] {
        let record =
            Record { offset: RECORDS_AT, envelope_bytes: 10, payload_bytes: 20, crc: 0x0102_0304 };
        let before = Published { slots: ID.slot, messages: 2 };
        let facts = SlotFacts {
            reply_code: 250,
            enhanced: [2, 0, 0],
            chunked: true,
            ..SlotFacts::default()
        };
        let mut slot = [0xff; SLOT_BYTES as usize];
        encode_slot(&mut slot, &seed(), before, &record, &facts);
        slot
    }

    #[test]
    fn a_slot_matches_the_format_document() {
        let slot = encoded();
        assert_eq!(slot[0..8], 8192u64.to_le_bytes());
        assert_eq!(slot[8..12], 20u32.to_le_bytes());
        assert_eq!(slot[16..20], 10u32.to_le_bytes());
        assert_eq!(slot[36..40], 2u32.to_le_bytes());
        assert_eq!((slot[48], slot[50], slot[51]), (250, 1, 0b100));
        assert_eq!(slot[52..56], 0x0102_0304u32.to_le_bytes());
        assert_eq!(slot[56..60], [2, 0, 0, 0]);
        let read = ours().decode(&slot, ID.slot).unwrap();
        assert_eq!((read.record_end(), read.messages_before), (8192 + 30, 2));
        assert!(read.is_message() && read.facts.chunked);
    }

    #[test]
    fn foreign_slots_and_zeros_have_wrong_checksums() {
        let slot = encoded();
        assert!(ours().decode(&slot, 4).is_none(), "another index");
        assert!(source(5, 8, BYTES).decode(&slot, ID.slot).is_none(), "another segment");
        assert!(source(6, 7, BYTES).decode(&slot, ID.slot).is_none(), "another store");
        assert!(ours().decode(&[0; 64], ID.slot).is_none(), "zeros");
        let short = source(5, 7, 8192 + 4 * 64);
        assert!(short.decode(&slot, ID.slot).is_none(), "it ends in a slot");
        for bit in 0..8 * 64 {
            let mut flipped = slot;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ours().decode(&flipped, ID.slot).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_slot_belongs_to_the_file_it_was_read_from_and_to_no_copy() {
        let read = ours().decode(&encoded(), ID.slot).unwrap();
        let copy = SlotSource { mark: FileMark(ours().mark.0 ^ 1), ..ours() };
        assert!(read.is_of(&ours()) && !read.is_of(&copy));
        assert!(copy.decode(&encoded(), ID.slot).unwrap().is_of(&copy));
    }

    #[test]
    fn slots_of_unknown_kinds_are_skipped() {
        let mut slot = encoded();
        slot[KIND_AT] = 9;
        let crc = seed().slot_crc(ID.slot, &slot);
        put32(&mut slot, SLOT_CRC_AT, crc);
        let read = ours().decode(&slot, ID.slot).unwrap();
        assert!(read.is_unknown && !read.is_message());
    }
}
