//! The bytes of a sidecar, as defined in docs/segment-format.md. Uses no files.
//!
//! A header, then blocks without gaps. All integers are little-endian.
use crate::log::{SegmentIdentity, StoreId};
use crate::mime::sent_time::SentTime;
use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::tls::TlsVersion;

use crate::index::columns::{Columns, TextColumn};
use crate::time::UnixNs;

/// The version that this program writes, and the only one that it reads. A running sinkd rebuilds
/// an index of an older version, and leaves a newer one alone.
pub const VERSION: u32 = 4;
/// Size of a sidecar's header, in octets. Blocks follow it.
pub const HEADER_BYTES: usize = 128;
/// Size of a block's header, which precedes its records.
pub const BLOCK_HEADER_BYTES: usize = 40;
/// Size of a record in a block, in octets. It has the offsets of its strings, which follow all
/// records.
pub const RECORD_BYTES: usize = 100;
/// Maximum length of the sequence field's name, in octets.
pub const SEQUENCE_FIELD_BYTES_MAX: usize = 64;

const MAGIC: [u8; 8] = *b"SINKDIDX";
const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"BLCK");

const VERSION_AT: usize = 8;
const NUMBER_AT: usize = VERSION_AT + 4;
const STORE_AT: usize = NUMBER_AT + 4;
const FIELD_BYTES_AT: usize = STORE_AT + 16;
const FIELD_AT: usize = FIELD_BYTES_AT + 4;
const HEADER_CRC_AT: usize = HEADER_BYTES - 4;
const _: () = assert!(FIELD_AT + SEQUENCE_FIELD_BYTES_MAX <= HEADER_CRC_AT);

/// The header of a sidecar: which segment of which data folder it indexes, and by which sequence
/// field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarHeader {
    /// The ID of the data folder, from the identity page of the segment.
    pub store: StoreId,
    /// The number of the segment that the sidecar indexes.
    pub number: u32,
    /// The header field that numbers messages, if any. Encoded as an empty name if there is none.
    pub sequence_field: Option<String>,
}

/// Why a sidecar can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The sidecar is damaged, empty, shorter than its header, or belongs to another segment.
    #[error("it is damaged, or is not the index of this segment")]
    Damaged,
    /// Another version of sinkd wrote it.
    #[error("it has version {0}, but this program reads version {VERSION}")]
    Version(u32),
}

impl SidecarHeader {
    /// Returns the header that a sidecar of this segment must have. `sequence_field` has at most
    /// [`SEQUENCE_FIELD_BYTES_MAX`] octets.
    pub fn for_segment(identity: &SegmentIdentity, sequence_field: Option<&str>) -> SidecarHeader {
        let (store, number) = (identity.store, identity.number);
        SidecarHeader { store, number, sequence_field: sequence_field.map(str::to_owned) }
    }

    /// Encodes the header. The field's name must have at most [`SEQUENCE_FIELD_BYTES_MAX`] octets.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        put32(&mut bytes, VERSION_AT, VERSION);
        put32(&mut bytes, NUMBER_AT, self.number);
        bytes[STORE_AT..][..16].copy_from_slice(&self.store.0);
        let name = self.sequence_field.as_deref().unwrap_or_default();
        put32(&mut bytes, FIELD_BYTES_AT, name.len() as u32);
        bytes[FIELD_AT..][..name.len()].copy_from_slice(name.as_bytes());
        let crc = crc(&bytes[..HEADER_CRC_AT], 0);
        put32(&mut bytes, HEADER_CRC_AT, crc);
        bytes
    }

    /// Decodes the header at the beginning of `bytes`, which may have any value.
    pub fn decode(bytes: &[u8]) -> Result<SidecarHeader, Unusable> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(Unusable::Damaged)?;
        if bytes[..8] != MAGIC {
            return Err(Unusable::Damaged);
        }
        let version = get32(bytes, VERSION_AT);
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        if crc(&bytes[..HEADER_CRC_AT], 0) != get32(bytes, HEADER_CRC_AT) {
            return Err(Unusable::Damaged);
        }
        let name = bytes[FIELD_AT..HEADER_CRC_AT].get(..get32(bytes, FIELD_BYTES_AT) as usize);
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).ok_or(Unusable::Damaged)?;
        let store = StoreId(bytes[STORE_AT..][..16].try_into().expect("the range is 16 long"));
        Ok(SidecarHeader {
            store,
            number: get32(bytes, NUMBER_AT),
            sequence_field: (!name.is_empty()).then(|| name.to_owned()),
        })
    }

    /// Returns the seed of the blocks' checksums, which makes blocks of other sidecars invalid.
    pub fn seed(&self) -> u32 {
        crc(&self.encode()[..HEADER_CRC_AT], 0)
    }
}

/// What a sidecar stores of one message. Strings are borrowed from the block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// Index of the message's slot in its segment, as in an id.
    pub slot: u32,
    /// The columns that queries are matched against.
    pub columns: Columns<'a>,
    /// The content's hash, as in [`crate::mime::MailFacts`].
    pub content_hash: u128,
    /// The last run of digits in the sequence field; `None` if the sidecar has no sequence field,
    /// the message does not have it, or it has no number below 2^64.
    pub sequence: Option<u64>,
    /// Whether the whole message is stored, not only its envelope or header.
    pub is_whole: bool,
    /// Whether parsing the message failed. Then the columns from its content are empty.
    pub is_unparsed: bool,
    /// Whether the message could not be read. Then only the slot of the entry is meaningful.
    pub is_unreadable: bool,
}

/// Number of strings in a record: one for each column with text.
pub const STRINGS: usize = 10;

impl<'a> IndexEntry<'a> {
    pub(in crate::index) fn strings(&self) -> [&'a str; STRINGS] {
        let c = &self.columns;
        let (paths, files) = (c.forward_paths.0, c.file_names.0);
        let [from, to, cc] = [c.from.0, c.to.0, c.cc.0];
        let (listener, user) = (c.listener, c.auth_user);
        [c.reverse_path, paths, from, to, cc, c.subject, c.message_id, files, listener, user]
    }
}

const BLOCK_CRC_AT: usize = 4;
const FIRST_SLOT_AT: usize = BLOCK_CRC_AT + 4;
const END_SLOT_AT: usize = FIRST_SLOT_AT + 4;
const RECORDS_AT: usize = END_SLOT_AT + 4;
const STRING_BYTES_AT: usize = RECORDS_AT + 4;
const FIRST_TIME_AT: usize = STRING_BYTES_AT + 4;
const LAST_TIME_AT: usize = FIRST_TIME_AT + 8;
const _: () = assert!(LAST_TIME_AT + 8 == BLOCK_HEADER_BYTES);

const SLOT_AT: usize = 0;
const FLAGS_AT: usize = SLOT_AT + 4;
const TIME_AT: usize = FLAGS_AT + 4;
const SEQUENCE_AT: usize = TIME_AT + 8;
const HASH_AT: usize = SEQUENCE_AT + 8;
const MESSAGE_BYTES_AT: usize = HASH_AT + 16;
const SENT_AT: usize = MESSAGE_BYTES_AT + 8;
const DEVIATIONS_AT: usize = SENT_AT + 8;
const STRINGS_AT: usize = DEVIATIONS_AT + 4;
const _: () = assert!(STRINGS_AT + 4 * STRINGS == RECORD_BYTES);

const HAS_ATTACHMENT: u32 = 1;
const IS_UNPARSED: u32 = 2;
const HAS_SEQUENCE: u32 = 4;
const IS_UNREADABLE: u32 = 8;
const IS_WHOLE: u32 = 16;
const HAS_SENT_TIME: u32 = 32;
const SENT_IS_NO_TIME: u32 = 64;
const IS_TLS_1_2: u32 = 128;
const IS_TLS_1_3: u32 = 256;

/// Appends the record of `entry`, whose strings are at the offsets `strings`.
pub fn encode_record(out: &mut Vec<u8>, entry: &IndexEntry<'_>, strings: [u32; STRINGS]) {
    let at = out.len();
    out.resize(at + RECORD_BYTES, 0);
    let record = &mut out[at..];
    let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
    let flags = flag(entry.columns.has_attachment, HAS_ATTACHMENT)
        | flag(entry.is_unparsed, IS_UNPARSED)
        | flag(entry.is_unreadable, IS_UNREADABLE)
        | flag(entry.is_whole, IS_WHOLE)
        | flag(entry.sequence.is_some(), HAS_SEQUENCE);
    let (sent_flag, sent_ns) = match entry.columns.sent {
        SentTime::Absent => (0, 0),
        SentTime::NotATime => (SENT_IS_NO_TIME, 0),
        SentTime::At(ns) => (HAS_SENT_TIME, ns),
    };
    put32(record, SLOT_AT, entry.slot);
    let tls_flag = match entry.columns.tls {
        None => 0,
        Some(TlsVersion::V1_2) => IS_TLS_1_2,
        Some(TlsVersion::V1_3) => IS_TLS_1_3,
    };
    put32(record, FLAGS_AT, flags | sent_flag | tls_flag);
    put64(record, TIME_AT, entry.columns.received_at_ns.get());
    put64(record, SEQUENCE_AT, entry.sequence.unwrap_or(0));
    record[HASH_AT..][..16].copy_from_slice(&entry.content_hash.to_le_bytes());
    put64(record, MESSAGE_BYTES_AT, entry.columns.message_bytes);
    put64(record, SENT_AT, sent_ns);
    put32(record, DEVIATIONS_AT, bits_of(entry.columns.deviations));
    for (i, string) in strings.into_iter().enumerate() {
        put32(record, STRINGS_AT + 4 * i, string);
    }
}

/// Returns one bit per kind; kind 1 is the lowest.
fn bits_of(deviations: Deviations) -> u32 {
    deviations.kinds().fold(0, |bits, kind| bits | bit_of(kind))
}

/// Returns the kinds in `bits`, which may have any value: unknown bits are ignored.
fn deviations_of(bits: u32) -> Deviations {
    let mut deviations = Deviations::NONE;
    if bits != 0 {
        let kinds = Deviation::ALL.into_iter().filter(|kind| bits & bit_of(*kind) != 0);
        kinds.for_each(|kind| deviations.add(kind));
    }
    deviations
}

fn bit_of(kind: Deviation) -> u32 {
    1 << (kind as u32 - 1)
}

/// The header of a block, which precedes its records and strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockHeader {
    /// The first slot that the block covers; in a valid sidecar, the end of the block before.
    pub first_slot: u32,
    /// The slot after the last one that the block covers.
    pub end_slot: u32,
    /// Number of records. Slots without a message have none.
    pub records: u32,
    /// Bytes of strings after the records.
    pub string_bytes: u32,
    /// When the first message of the block was received; 1970 if it has no messages.
    pub first_received_at_ns: UnixNs,
    /// When the last message of the block was received; 1970 if it has no messages.
    pub last_received_at_ns: UnixNs,
}

impl BlockHeader {
    /// Returns the header of the empty block that ends the sidecar of a sealed segment: there is no
    /// slot from `end_slot` on.
    pub fn end(end_slot: u32) -> BlockHeader {
        BlockHeader { first_slot: end_slot, end_slot, ..BlockHeader::default() }
    }

    /// Writes the header, with the checksum, before the records and strings already in `block`.
    pub fn encode(&self, block: &mut [u8], seed: u32) {
        put32(block, 0, BLOCK_MAGIC);
        put32(block, FIRST_SLOT_AT, self.first_slot);
        put32(block, END_SLOT_AT, self.end_slot);
        put32(block, RECORDS_AT, self.records);
        put32(block, STRING_BYTES_AT, self.string_bytes);
        put64(block, FIRST_TIME_AT, self.first_received_at_ns.get());
        put64(block, LAST_TIME_AT, self.last_received_at_ns.get());
        let crc = crc(&block[FIRST_SLOT_AT..], seed);
        put32(block, BLOCK_CRC_AT, crc);
    }

    /// Decodes the [`BLOCK_HEADER_BYTES`] octets of `head`, which may have any value. Does not
    /// verify the checksum. Returns `None` if they can't begin a block.
    pub fn peek(head: &[u8]) -> Option<BlockHeader> {
        let header = BlockHeader::decode(head);
        (get32(head, 0) == BLOCK_MAGIC && header.first_slot <= header.end_slot).then_some(header)
    }

    fn decode(head: &[u8]) -> BlockHeader {
        BlockHeader {
            first_slot: get32(head, FIRST_SLOT_AT),
            end_slot: get32(head, END_SLOT_AT),
            records: get32(head, RECORDS_AT),
            string_bytes: get32(head, STRING_BYTES_AT),
            first_received_at_ns: UnixNs::new(get64(head, FIRST_TIME_AT)),
            last_received_at_ns: UnixNs::new(get64(head, LAST_TIME_AT)),
        }
    }

    /// Returns the size of header, records and strings together, in octets.
    pub fn bytes(&self) -> u64 {
        let records = u64::from(self.records) * RECORD_BYTES as u64;
        BLOCK_HEADER_BYTES as u64 + records + u64::from(self.string_bytes)
    }
}

/// A block whose checksum was verified, borrowed from the bytes of a sidecar.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    pub header: BlockHeader,
    records: &'a [u8],
    strings: &'a str,
}

impl<'a> Block<'a> {
    /// Decodes the block at the beginning of `bytes`, which may have any value. Also returns its
    /// length. Returns `None` without a valid block.
    pub fn decode(bytes: &'a [u8], seed: u32) -> Option<(Block<'a>, usize)> {
        let head = bytes.get(..BLOCK_HEADER_BYTES)?;
        let header = BlockHeader::decode(head);
        let len = usize::try_from(header.bytes()).ok()?;
        let block = bytes.get(..len)?;
        BlockHeader::peek(head)?;
        if get32(head, BLOCK_CRC_AT) != crc(&block[FIRST_SLOT_AT..], seed) {
            return None;
        }
        Block::view(block).map(|block| (block, len))
    }

    /// Returns a view of a block whose checksum was verified before. Costs a UTF-8 check of the
    /// strings.
    pub fn view(bytes: &'a [u8]) -> Option<Block<'a>> {
        let (head, body) = bytes.split_at_checked(BLOCK_HEADER_BYTES)?;
        let header = BlockHeader::decode(head);
        let (records, strings) = body.split_at_checked(header.records as usize * RECORD_BYTES)?;
        let strings = std::str::from_utf8(strings).ok()?;
        Some(Block { header, records, strings })
    }

    /// Returns entry `i`, which must be below `header.records`.
    pub fn entry(&self, i: u32) -> IndexEntry<'a> {
        let record = &self.records[i as usize * RECORD_BYTES..][..RECORD_BYTES];
        let flags = get32(record, FLAGS_AT);
        let string = |i: usize| self.string(get32(record, STRINGS_AT + 4 * i));
        let hash = record[HASH_AT..][..16].try_into().expect("the range is 16 long");
        let sent = match flags & (HAS_SENT_TIME | SENT_IS_NO_TIME) {
            0 => SentTime::Absent,
            HAS_SENT_TIME => SentTime::At(get64(record, SENT_AT)),
            _ => SentTime::NotATime,
        };
        let tls = match flags & (IS_TLS_1_2 | IS_TLS_1_3) {
            0 => None,
            IS_TLS_1_2 => Some(TlsVersion::V1_2),
            _ => Some(TlsVersion::V1_3),
        };
        IndexEntry {
            slot: get32(record, SLOT_AT),
            columns: Columns {
                received_at_ns: UnixNs::new(get64(record, TIME_AT)),
                message_bytes: get64(record, MESSAGE_BYTES_AT),
                reverse_path: string(0),
                forward_paths: TextColumn(string(1)),
                from: TextColumn(string(2)),
                to: TextColumn(string(3)),
                cc: TextColumn(string(4)),
                subject: string(5),
                message_id: string(6),
                has_attachment: flags & HAS_ATTACHMENT != 0,
                file_names: TextColumn(string(7)),
                listener: string(8),
                auth_user: string(9),
                tls,
                deviations: deviations_of(get32(record, DEVIATIONS_AT)),
                sent,
            },
            content_hash: u128::from_le_bytes(hash),
            sequence: (flags & HAS_SEQUENCE != 0).then(|| get64(record, SEQUENCE_AT)),
            is_whole: flags & IS_WHOLE != 0,
            is_unparsed: flags & IS_UNPARSED != 0,
            is_unreadable: flags & IS_UNREADABLE != 0,
        }
    }

    /// Returns the string at an offset, which may have any value. NUL ends the string.
    fn string(&self, at: u32) -> &'a str {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        &rest[..memchr::memchr(0, rest.as_bytes()).unwrap_or(rest.len())]
    }
}

/// Returns the CRC32C of the seed's four octets followed by `bytes`.
fn crc(bytes: &[u8], seed: u32) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&seed.to_le_bytes());
    digest.update(bytes);
    digest.finalize() as u32
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the range is 4 long"))
}

fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the range is 8 long"))
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
