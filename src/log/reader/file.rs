//! A segment file whose header was checked: reads slots and records by their offsets, without
//! relying on its counts.
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Damage, SegmentError};
use crate::log::files::disk;
use crate::log::files::layout;
use crate::log::format::id::MessageId;
use crate::log::format::{
    Crc, FORMAT_VERSION, LIVE_AT, LIVE_WORDS, LiveWords, NoIdentity, PAGE_BYTES, RECORDS_AT,
    SEGMENT_BYTES_MIN, SLOT_BYTES, Seed, SegmentIdentity, Slot, SlotSource, crc, slot_at,
};

/// Number of octets of a record that are read at once if its content is not kept.
const RECORD_BYTES_AT_ONCE: u64 = 256 << 10;

/// A segment file, open for reading.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: File,
    path: PathBuf,
    identity: SegmentIdentity,
    source: SlotSource,
}

impl SegmentFile {
    /// Opens a file. While it is open, it is not recycled for another segment.
    pub(crate) fn open(path: &Path) -> Result<(SegmentFile, LiveWords), SegmentError> {
        let io = |cause| SegmentError::Io { file: path.to_owned(), cause };
        let file = File::open(path).map_err(io)?;
        disk::share(&file);
        SegmentFile::from_file(file, path)
    }

    /// Checks the header of `file`, which has the name `path`. Also returns the live page as
    /// stored.
    pub(crate) fn from_file(
        file: File,
        path: &Path,
    ) -> Result<(SegmentFile, LiveWords), SegmentError> {
        let (identity, words) = read_head(&file, path)?;
        let found = file.metadata();
        let found = found.map_err(|cause| SegmentError::Io { file: path.to_owned(), cause })?;
        let (source, path) =
            (SlotSource::new(&identity, found.dev(), found.ino()), path.to_owned());
        Ok((SegmentFile { file, path, identity, source }, words))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn identity(&self) -> &SegmentIdentity {
        &self.identity
    }

    pub(crate) fn seed(&self) -> &Seed {
        self.source.seed()
    }

    /// Returns the segment's number.
    pub(crate) fn number(&self) -> u32 {
        self.identity.number
    }

    /// Returns the length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.identity.segment_bytes
    }

    /// Returns the ID of slot `index`.
    pub(crate) fn id(&self, index: u32) -> MessageId {
        MessageId { segment: self.number(), slot: index }
    }

    /// Decodes the 64 octets of slot `index`. Returns `None` if the checksum is wrong, or if the
    /// record would be outside the file.
    pub(crate) fn decode(&self, octets: &[u8], index: u32) -> Option<Slot> {
        self.source.decode(octets, index)
    }

    /// Reads the octets of slot `index`, which must be within the file.
    pub(crate) fn slot_octets(&self, index: u32) -> Result<[u8; SLOT_BYTES as usize], Damage> {
        let mut octets = [0; SLOT_BYTES as usize];
        match slot_at(self.bytes(), index) {
            Some(at) => self.read(&mut octets, at)?,
            None => return Err(self.no_such_slot(index)),
        }
        Ok(octets)
    }

    /// Reads the octets of the slots in `range`, which must not be empty, into `chunk`. As in the
    /// file, the highest slot comes first.
    pub(crate) fn read_slots(&self, range: &Range<u32>, chunk: &mut Vec<u8>) -> Result<(), Damage> {
        let last = range.end - 1;
        let offset = slot_at(self.bytes(), last).ok_or_else(|| self.no_such_slot(last))?;
        chunk.resize(SLOT_BYTES as usize * range.len(), 0);
        self.read(chunk, offset)
    }

    /// Returns whether slot `index` is valid and has a valid record, published or not.
    ///
    /// Errors: the system can't read it.
    pub(crate) fn is_valid_at(&self, index: u32) -> Result<bool, Damage> {
        let checked = self.slot_octets(index).and_then(|octets| {
            let slot = self.decode(&octets, index).ok_or_else(|| self.slot_damage(index))?;
            self.check_record(&slot, &mut Vec::new())
        });
        match checked {
            Ok(()) => Ok(true),
            Err(unread @ Damage::Io { .. }) => Err(unread),
            Err(_) => Ok(false),
        }
    }

    /// Returns the same segment, read through another handle.
    #[cfg(test)]
    pub(crate) fn with_handle(self, file: File) -> SegmentFile {
        SegmentFile { file, ..self }
    }

    pub(super) fn no_such_slot(&self, index: u32) -> Damage {
        Damage::NoSuchSlot { file: self.path.clone(), id: self.id(index) }
    }

    pub(super) fn slot_damage(&self, index: u32) -> Damage {
        let offset = slot_at(self.bytes(), index).unwrap_or(RECORDS_AT);
        Damage::Slot { file: self.path.clone(), offset, id: self.id(index) }
    }

    /// Reads a record into `buf`, which is overwritten and grows as needed. Returns envelope and
    /// payload (wire form) if the checksum is right. Costs one read, and the CRC.
    pub(super) fn record<'a>(
        &self,
        slot: &Slot,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        let envelope = slot.envelope_bytes() as usize;
        let bytes = envelope + slot.payload_bytes() as usize;
        if buf.len() < bytes {
            buf.resize(bytes, 0);
        }
        let record = &mut buf[..bytes];
        self.read(record, slot.record_offset())?;
        if crc(record) != slot.record_crc() {
            return Err(self.record_damage(slot));
        }
        Ok(record.split_at(envelope))
    }

    /// Reads a record of any size in bounded memory: returns at most `payload_max` octets of the
    /// payload. The rest is read too, for the checksum.
    pub(super) fn record_start<'a>(
        &self,
        slot: &Slot,
        payload_max: usize,
        buf: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], &'a [u8]), Damage> {
        if slot.payload_bytes() as usize <= payload_max {
            return self.record(slot, buf);
        }
        let envelope = slot.envelope_bytes() as usize;
        let bytes = envelope + payload_max;
        self.read_through(slot, bytes, buf)?;
        Ok(buf[..bytes].split_at(envelope))
    }

    /// Returns the envelope, if the record's checksum is right. The checksum also covers the
    /// payload, which is read in constant memory, so this costs as much as reading the record.
    pub(super) fn envelope<'a>(
        &self,
        slot: &Slot,
        buf: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], Damage> {
        let envelope = slot.envelope_bytes() as usize;
        // Usually, one read gets the whole record.
        let first = (envelope as u64).max(RECORD_BYTES_AT_ONCE);
        let first = first.min(slot.record_end() - slot.record_offset()) as usize;
        self.read_through(slot, first, buf)?;
        Ok(&buf[..envelope])
    }

    /// Reads the first `first` octets of a record into `buf`, which grows as needed, and checks the
    /// whole record in constant memory.
    fn read_through(&self, slot: &Slot, first: usize, buf: &mut Vec<u8>) -> Result<(), Damage> {
        if buf.len() < first {
            buf.resize(first, 0);
        }
        self.read(&mut buf[..first], slot.record_offset())?;
        let mut crc = Crc::new();
        crc.update(&buf[..first]);
        let mut rest = slot.record_offset() + first as u64..slot.record_end();
        let mut chunk = Vec::new();
        while !rest.is_empty() {
            chunk.resize((rest.end - rest.start).min(RECORD_BYTES_AT_ONCE) as usize, 0);
            self.read(&mut chunk, rest.start)?;
            crc.update(&chunk);
            rest.start += chunk.len() as u64;
        }
        if crc.value() != slot.record_crc() {
            return Err(self.record_damage(slot));
        }
        Ok(())
    }

    /// Checks a whole record in constant memory; `chunk` is a buffer that can be reused.
    pub(crate) fn check_record(&self, slot: &Slot, chunk: &mut Vec<u8>) -> Result<(), Damage> {
        let bytes = slot.record_end() - slot.record_offset();
        self.read_through(slot, bytes.min(RECORD_BYTES_AT_ONCE) as usize, chunk)
    }

    fn record_damage(&self, slot: &Slot) -> Damage {
        Damage::Record { file: self.path.clone(), offset: slot.record_offset(), id: slot.id() }
    }

    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> Result<(), Damage> {
        let io = |cause| Damage::Io { file: self.path.clone(), offset, cause };
        self.file.read_exact_at(buf, offset).map_err(io)
    }
}

/// Reads and checks both header pages.
fn read_head(file: &File, path: &Path) -> Result<(SegmentIdentity, LiveWords), SegmentError> {
    let name = || path.to_owned();
    let io = |cause| SegmentError::Io { file: name(), cause };
    let found = file.metadata().map_err(io)?.len();
    let mut head = vec![0; RECORDS_AT as usize];
    let readable = found.min(RECORDS_AT) as usize;
    file.read_exact_at(&mut head[..readable], 0).map_err(io)?;
    let (page, live) = head.split_at(LIVE_AT as usize);
    let identity = match SegmentIdentity::decode(page) {
        _ if found < PAGE_BYTES && found > 0 && is_ours(page) => {
            return Err(SegmentError::Truncated { file: name(), found, expected: RECORDS_AT });
        }
        Err(NoIdentity::Foreign) => return Err(SegmentError::Foreign { file: name() }),
        Err(NoIdentity::Newer(version)) => {
            return Err(SegmentError::Newer { file: name(), version, newest: FORMAT_VERSION });
        }
        Err(NoIdentity::Damaged { at }) => {
            let problem = "the identity page is damaged";
            return Err(SegmentError::Damaged { file: name(), offset: at, problem });
        }
        Ok(identity) => identity,
    };
    let bytes = identity.segment_bytes;
    if bytes < SEGMENT_BYTES_MIN || !bytes.is_multiple_of(SLOT_BYTES) {
        let problem = "no segment has this length";
        return Err(SegmentError::Damaged { file: name(), offset: 32, problem });
    }
    if found < bytes {
        return Err(SegmentError::Truncated { file: name(), found, expected: bytes });
    }
    let words = LiveWords::decode(&live[..8 * LIVE_WORDS]);
    let is_spare = path
        .file_name()
        .and_then(|name| layout::segment_number(name.to_str()?))
        .is_some_and(|number| number != identity.number);
    if is_spare {
        return Err(SegmentError::Spare { file: name(), number: identity.number });
    }
    Ok((identity, words))
}

/// Returns whether the (possibly short) page begins like a segment.
fn is_ours(page: &[u8]) -> bool {
    page.starts_with(&crate::log::format::MAGIC)
}
