//! Looks up single messages in the index, in any order.
//!
//! A listing reads a few segments at the same time, each of them in order. So for each segment, the
//! block with the last requested message is cached.
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::log::SegmentIdentity;

use super::format::{
    BLOCK_HEADER_BYTES, Block, BlockHeader, HEADER_BYTES, IndexEntry, SidecarHeader,
};
use super::sidecar;

/// Number of segments for which a block is cached, each up to 2 MB: the number of workers that can
/// write at the same time.
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
    /// `None`: no usable sidecar exists.
    sidecar: Option<OpenSidecar>,
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
    /// if the message is not indexed, or if the index is damaged there.
    ///
    /// Costs a binary search, and a millisecond per block of up to 4,096 messages.
    pub fn content(&mut self, identity: &SegmentIdentity, slot: u32) -> Option<&IndexedContent> {
        self.calls += 1;
        if !self.segments.contains_key(&identity.number) {
            self.make_room();
            let sidecar = OpenSidecar::open(&self.data, identity);
            let known = KeptSegment { sidecar, block: KeptBlock::default(), used_at: 0 };
            self.segments.insert(identity.number, known);
        }
        let known = self.segments.get_mut(&identity.number).expect("it is put there above");
        known.used_at = self.calls;
        let sidecar = known.sidecar.as_ref()?;
        if !known.block.slots.contains(&slot) {
            known.block = sidecar.block(slot)?;
        }
        let contents = &known.block.contents;
        let place = contents.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&contents[place].1)
    }

    fn make_room(&mut self) {
        if self.segments.len() < SEGMENTS_MAX {
            return;
        }
        let oldest = self.segments.iter().min_by_key(|(_, known)| known.used_at);
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.segments.remove(&number);
        }
    }
}

impl OpenSidecar {
    fn open(data: &std::path::Path, identity: &SegmentIdentity) -> Option<OpenSidecar> {
        let file = File::open(sidecar::path(data, identity.number)).ok()?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact_at(&mut head, 0).ok()?;
        let header = SidecarHeader::decode(&head).ok()?;
        if (header.store, header.number) != (identity.store, identity.number) {
            return None;
        }
        let blocks = blocks(&file).ok()?;
        Some(OpenSidecar { file, seed: header.seed(), blocks })
    }

    /// Reads the block with `slot`. Returns `None` if its checksum is wrong.
    fn block(&self, slot: u32) -> Option<KeptBlock> {
        let place = self.blocks.partition_point(|(slots, _)| slots.end <= slot);
        let (slots, bytes) = self.blocks.get(place)?;
        let mut block = vec![0; usize::try_from(bytes.end - bytes.start).ok()?];
        let read = self.file.read_exact_at(&mut block, bytes.start);
        let block = read.ok().and_then(|()| Block::decode(&block, self.seed));
        let entries = block
            .iter()
            .flat_map(|(block, _)| (0..block.header.records).map(|record| block.entry(record)));
        let entries = entries.filter(|entry| !entry.is_unreadable);
        let contents = entries.map(|entry| (entry.slot, IndexedContent::from(&entry))).collect();
        Some(KeptBlock { slots: slots.clone(), contents })
    }
}

/// Lists the blocks of a sidecar by their headers, up to the first one that is incomplete or skips
/// slots.
fn blocks(file: &File) -> io::Result<Vec<(Range<u32>, Range<u64>)>> {
    let length = file.metadata()?.len();
    let (mut at, mut end_slot, mut blocks) = (HEADER_BYTES as u64, 0, Vec::new());
    while at + BLOCK_HEADER_BYTES as u64 <= length {
        let mut head = [0; BLOCK_HEADER_BYTES];
        file.read_exact_at(&mut head, at)?;
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
