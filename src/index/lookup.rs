//! What the index says of single messages, in whatever order they are asked for.
//!
//! A listing goes through a few segments at the same time, and through each of them in order: the
//! block that a message is in is kept, a block for each segment.
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::log::Identity;

use super::format::{
    BLOCK_HEADER_BYTES, Block, BlockHeader, HEADER_BYTES, IndexEntry, SidecarHeader,
};
use super::sidecar;

/// Segments of which a block is kept, up to 2 MB each: as many as workers write at a time.
const SEGMENTS_MAX: usize = 64;

/// The content of a message that the index keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexedContent {
    /// The first Subject field, decoded.
    pub subject: String,
    /// The first Message-ID field, without angle brackets.
    pub message_id: String,
    /// Names of attached files.
    pub file_names: Vec<String>,
    /// Equal for copies of the same content.
    pub content_hash: u128,
    /// The number in the header field that the index knows of.
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

/// Reads the sidecars of a data folder, as they are at the first look at each.
#[derive(Debug)]
pub struct Lookup {
    data: PathBuf,
    segments: HashMap<u32, KeptSegment>,
    /// Counts the calls: what was not used for the longest time goes first.
    calls: u64,
}

#[derive(Debug)]
struct KeptSegment {
    /// `None`: there is none that can be used.
    sidecar: Option<OpenSidecar>,
    block: KeptBlock,
    used_at: u64,
}

/// The block that was read last.
#[derive(Debug, Default)]
struct KeptBlock {
    slots: Range<u32>,
    /// By slot, ascending.
    said: Vec<(u32, IndexedContent)>,
}

#[derive(Debug)]
struct OpenSidecar {
    file: File,
    seed: u32,
    /// Slots and place of each block.
    blocks: Vec<(Range<u32>, Range<u64>)>,
}

impl Lookup {
    /// Looks into the sidecars of the data folder `data`; opens none yet.
    pub fn new(data: impl Into<PathBuf>) -> Lookup {
        Lookup { data: data.into(), segments: HashMap::new(), calls: 0 }
    }

    /// Returns what the index says of the message in a slot of segment `identity`. `None`: the
    /// message is not indexed, or the index is damaged there.
    ///
    /// Costs a millisecond for each block of up to 4,096 messages, and a binary search.
    pub fn content(&mut self, identity: &Identity, slot: u32) -> Option<&IndexedContent> {
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
        let said = &known.block.said;
        let place = said.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&said[place].1)
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
    fn open(data: &std::path::Path, identity: &Identity) -> Option<OpenSidecar> {
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

    /// The block with `slot`; one that can't be believed says nothing of its slots.
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
        let said = entries.map(|entry| (entry.slot, IndexedContent::from(&entry))).collect();
        Some(KeptBlock { slots: slots.clone(), said })
    }
}

/// The blocks of a sidecar one after another, as their heads have it: up to the first that is not
/// whole or skips slots.
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
