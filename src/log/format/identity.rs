//! The identity page.
use super::checksum::crc;
use super::layout::{FORMAT_VERSION, MAGIC, PAGE_BYTES};
use super::names::{BootId, StoreId};
use super::seed::Seed;
use super::words::{get16, get32, get64, put32, put64};
use crate::time::UnixNs;

/// Whether a file holds many records or a single large one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// Many records, in commit order.
    Shared,
    /// Exactly one record.
    Dedicated,
}

/// The identity page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// The segment's number, as in its file's name.
    pub number: u32,
    /// The data folder for which the file was written.
    pub store: StoreId,
    /// Length of the file, from creation to unlink.
    pub segment_bytes: u64,
    /// The worker that filled it, from 0.
    pub worker: u32,
    /// The start of sinkd that wrote it, counting from 1.
    pub start_count: u32,
    /// The machine's boot in which it was created.
    pub boot: BootId,
    /// When the file was created.
    pub created_at_ns: UnixNs,
    /// Shared or dedicated.
    pub kind: SegmentKind,
}

const MAGIC_AT: usize = 0;
const VERSION_AT: usize = MAGIC_AT + 8;
const NUMBER_AT: usize = VERSION_AT + 4;
const STORE_AT: usize = NUMBER_AT + 4;
const SEGMENT_BYTES_AT: usize = STORE_AT + 16;
const WORKER_AT: usize = SEGMENT_BYTES_AT + 8;
const START_COUNT_AT: usize = WORKER_AT + 4;
const BOOT_AT: usize = START_COUNT_AT + 4;
const CREATED_AT_AT: usize = BOOT_AT + 16;
const SEGMENT_KIND_AT: usize = CREATED_AT_AT + 8;
const IDENTITY_CRC_AT: usize = PAGE_BYTES as usize - 4;
const _: () = assert!(SEGMENT_KIND_AT == 72);

/// Why a page is not a valid identity page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoIdentity {
    Foreign,
    Newer(u32),
    Damaged { at: u64 },
}

impl SegmentIdentity {
    /// Encodes the page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES as usize];
        page[MAGIC_AT..][..8].copy_from_slice(&MAGIC);
        put32(&mut page, VERSION_AT, FORMAT_VERSION);
        put32(&mut page, NUMBER_AT, self.number);
        page[STORE_AT..][..16].copy_from_slice(&self.store.0);
        put64(&mut page, SEGMENT_BYTES_AT, self.segment_bytes);
        put32(&mut page, WORKER_AT, self.worker);
        put32(&mut page, START_COUNT_AT, self.start_count);
        page[BOOT_AT..][..16].copy_from_slice(&self.boot.0);
        put64(&mut page, CREATED_AT_AT, self.created_at_ns.get());
        put32(&mut page, SEGMENT_KIND_AT, (self.kind == SegmentKind::Dedicated) as u32);
        let crc = crc(&page[..IDENTITY_CRC_AT]);
        put32(&mut page, IDENTITY_CRC_AT, crc);
        page
    }

    /// Decodes the file's first [`PAGE_BYTES`] octets, which may have any value.
    pub(crate) fn decode(page: &[u8]) -> Result<SegmentIdentity, NoIdentity> {
        if page[MAGIC_AT..][..8] != MAGIC {
            return Err(NoIdentity::Foreign);
        }
        // The version is checked first, because a newer version may store its checksum elsewhere.
        let version = get32(page, VERSION_AT);
        if version > FORMAT_VERSION {
            return Err(NoIdentity::Newer(version));
        }
        if crc(&page[..IDENTITY_CRC_AT]) != get32(page, IDENTITY_CRC_AT) {
            return Err(NoIdentity::Damaged { at: IDENTITY_CRC_AT as u64 });
        }
        let kind = match get32(page, SEGMENT_KIND_AT) {
            0 => SegmentKind::Shared,
            1 => SegmentKind::Dedicated,
            _ => return Err(NoIdentity::Damaged { at: SEGMENT_KIND_AT as u64 }),
        };
        Ok(SegmentIdentity {
            number: get32(page, NUMBER_AT),
            store: StoreId(get16(page, STORE_AT)),
            segment_bytes: get64(page, SEGMENT_BYTES_AT),
            worker: get32(page, WORKER_AT),
            start_count: get32(page, START_COUNT_AT),
            boot: BootId(get16(page, BOOT_AT)),
            created_at_ns: UnixNs::new(get64(page, CREATED_AT_AT)),
            kind,
        })
    }

    /// Returns the seed of this segment's slot checksums.
    pub(crate) fn seed(&self) -> Seed {
        Seed::new(self.store, self.number)
    }
}
