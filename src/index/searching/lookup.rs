//! Looks up single messages in the index, in any order.
//!
//! A listing reads a few segments at the same time, each of them in order. So for each segment, the
//! block with the last requested message is cached.
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::omissions::IndexFault;
use crate::index::sidecar::{
    self, BLOCK_HEADER_BYTES, Block, BlockHeader, HEADER_BYTES, IndexEntry, SidecarHeader, Unusable,
};
use crate::log::SegmentIdentity;

/// Number of segments for which a block is cached, each up to 2 MB: more than workers usually write
/// to at the same time.
const SEGMENTS_MAX: usize = 64;

/// What the index stores of a message's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexedContent {
    /// The first Subject field, decoded.
    pub subject: String,
    /// The first Message-ID field, without angle brackets.
    pub message_id: String,
    /// Names of the parts that have one, attached or inline, decoded.
    pub file_names: Vec<String>,
    /// Hash of the content; equal for copies of the same content.
    pub content_hash: u128,
    /// The last run of digits in the sequence field; `None` if there is no such field or number.
    pub sequence: Option<u64>,
}

impl From<&IndexEntry<'_>> for IndexedContent {
    fn from(entry: &IndexEntry<'_>) -> IndexedContent {
        IndexedContent {
            subject: entry.columns.subject.to_owned(),
            message_id: entry.columns.message_id.to_owned(),
            file_names: entry.columns.file_names.iter().map(str::to_owned).collect(),
            content_hash: entry.content_hash,
            sequence: entry.sequence,
        }
    }
}

/// Reads the sidecars of a data folder, as they are when first used.
#[derive(Debug)]
pub struct Lookup {
    data: PathBuf,
    segments: HashMap<u32, KeptSegment>,
    /// Number of calls, for evicting the block that was not used for the longest time.
    calls: u64,
}

#[derive(Debug)]
struct KeptSegment {
    sidecar: FoundSidecar,
    block: KeptBlock,
    used_at: u64,
}

/// The last block that was read of a segment, decoded. Empty at first.
#[derive(Debug, Default)]
struct KeptBlock {
    slots: Range<u32>,
    /// Contents by slot, ascending.
    contents: Vec<(u32, IndexedContent)>,
}

/// The sidecar of a segment, when it was first looked for.
#[derive(Debug)]
enum FoundSidecar {
    /// There is none, or it is being created.
    None,
    Unusable(Unusable),
    Open(OpenSidecar),
}

#[derive(Debug)]
struct OpenSidecar {
    file: File,
    seed: u32,
    /// The slots that each block covers, and its octets in the file, in the order of both.
    blocks: Vec<(Range<u32>, Range<u64>)>,
}

impl Lookup {
    /// Creates a lookup for the data folder `data`. Opens no sidecars yet.
    pub fn new(data: impl Into<PathBuf>) -> Lookup {
        Lookup { data: data.into(), segments: HashMap::new(), calls: 0 }
    }

    /// Returns what the index stores of the message in a slot of segment `identity`. Returns `None`
    /// if the message is not indexed.
    ///
    /// Costs a binary search, and a millisecond per block of up to 4,096 messages. Errors: the
    /// sidecar can't be used, at least not at this slot. After a failed read, the next call tries
    /// again.
    pub fn content(
        &mut self,
        identity: &SegmentIdentity,
        slot: u32,
    ) -> Result<Option<&IndexedContent>, IndexFault> {
        self.calls += 1;
        self.make_room_for(identity.number);
        let known = match self.segments.entry(identity.number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let path = sidecar::path(&self.data, identity.number);
                let sidecar = FoundSidecar::open(&path, identity)?;
                free.insert(KeptSegment { sidecar, block: KeptBlock::default(), used_at: 0 })
            }
        };
        known.used_at = self.calls;
        let sidecar = match &known.sidecar {
            FoundSidecar::None => return Ok(None),
            FoundSidecar::Unusable(why) => return Err(why.clone().into()),
            FoundSidecar::Open(sidecar) => sidecar,
        };
        if !known.block.slots.contains(&slot) {
            let Some(block) = sidecar.block(slot)? else { return Ok(None) };
            known.block = block;
        }
        let contents = &known.block.contents;
        let place = contents.binary_search_by_key(&slot, |(slot, _)| *slot);
        Ok(place.ok().map(|place| &contents[place].1))
    }

    fn make_room_for(&mut self, number: u32) {
        if self.segments.len() < SEGMENTS_MAX || self.segments.contains_key(&number) {
            return;
        }
        let oldest = self.segments.iter().min_by_key(|(_, known)| known.used_at);
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.segments.remove(&number);
        }
    }
}

impl FoundSidecar {
    /// Opens the sidecar of segment `identity`.
    fn open(path: &Path, identity: &SegmentIdentity) -> io::Result<FoundSidecar> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FoundSidecar::None),
            file => file?,
        };
        let mut head = [0; HEADER_BYTES];
        if read_exact_at(&file, &mut head, 0)?.is_none() {
            return Ok(FoundSidecar::None);
        }
        let header = match SidecarHeader::decode(&head) {
            Ok(header) => header,
            Err(why) => return Ok(FoundSidecar::Unusable(why)),
        };
        if (header.store, header.number) != (identity.store, identity.number) {
            return Ok(FoundSidecar::Unusable(Unusable::Damaged));
        }
        let blocks = blocks(&file)?;
        Ok(FoundSidecar::Open(OpenSidecar { file, seed: header.seed(), blocks }))
    }
}

impl OpenSidecar {
    /// Reads the block with `slot`. Returns `None` if there is none.
    ///
    /// Errors: its checksum is wrong, or it can't be read.
    fn block(&self, slot: u32) -> Result<Option<KeptBlock>, IndexFault> {
        let place = self.blocks.partition_point(|(slots, _)| slots.end <= slot);
        let Some((slots, bytes)) = self.blocks.get(place) else { return Ok(None) };
        let mut block = vec![0; (bytes.end - bytes.start) as usize];
        if read_exact_at(&self.file, &mut block, bytes.start)?.is_none() {
            // It was cut off since its header was read.
            return Ok(None);
        }
        let (block, _) = Block::decode(&block, self.seed).ok_or(Unusable::Damaged)?;
        let entries = (0..block.header.records).map(|record| block.entry(record));
        let entries = entries.filter(|entry| !entry.is_unreadable);
        let contents = entries.map(|entry| (entry.slot, IndexedContent::from(&entry))).collect();
        Ok(Some(KeptBlock { slots: slots.clone(), contents }))
    }
}

/// Fills `octets` from the file at `at`. Returns `None` if the file ends before that: it is being
/// written, or was cut off.
fn read_exact_at(file: &File, octets: &mut [u8], at: u64) -> io::Result<Option<()>> {
    match file.read_exact_at(octets, at) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lists the blocks of a sidecar by their headers, up to the first one that is incomplete or skips
/// slots.
fn blocks(file: &File) -> io::Result<Vec<(Range<u32>, Range<u64>)>> {
    let length = file.metadata()?.len();
    let (mut at, mut end_slot, mut blocks) = (HEADER_BYTES as u64, 0, Vec::new());
    while at + BLOCK_HEADER_BYTES as u64 <= length {
        let mut head = [0; BLOCK_HEADER_BYTES];
        if read_exact_at(file, &mut head, at)?.is_none() {
            break;
        }
        let Some(header) = BlockHeader::peek(&head) else { break };
        let end = at.saturating_add(header.bytes());
        if header.first_slot != end_slot || end > length {
            break;
        }
        blocks.push((header.first_slot..header.end_slot, at..end));
        (at, end_slot) = (end, header.end_slot);
    }
    Ok(blocks)
}
