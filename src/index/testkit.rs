//! Checks that hold for any octets read as a sidecar, and for the facts of any message, for
//! fuzzing, benchmarks and tests.
use super::columns::{Columns, TextColumn};
use super::sidecar::{
    BLOCK_HEADER_BYTES, BlockBuilder, BlockHeader, HEADER_BYTES, IndexEntry, RECORD_BYTES, Sidecar,
    SidecarHeader, Unusable,
};
use crate::log::{BootId, SegmentIdentity, SegmentKind, StoreId};
use crate::mime::{Extractor, MailFacts};
use crate::time::UnixNs;

/// The segment that the sidecars here belong to.
pub const IDENTITY: SegmentIdentity = SegmentIdentity {
    number: 7,
    store: StoreId([1; 16]),
    segment_bytes: 64 << 20,
    worker: 0,
    start_count: 1,
    boot: BootId([2; 16]),
    created_at_ns: UnixNs::EPOCH,
    kind: SegmentKind::Shared,
};

/// Returns a complete sidecar of [`IDENTITY`], in which entry `i` belongs to slot `i`.
pub fn sidecar(entries: &[IndexEntry<'_>]) -> Vec<u8> {
    let header = SidecarHeader::for_segment(&IDENTITY, None);
    let (mut bytes, mut block) = (header.encode().to_vec(), BlockBuilder::default());
    block.begin(0);
    for entry in entries {
        block.push(entry);
        if block.is_full() {
            bytes.extend_from_slice(block.finish(header.seed()));
            block.begin(block.end_slot());
        }
    }
    if !block.is_empty() {
        bytes.extend_from_slice(block.finish(header.seed()));
    }
    let mut end = [0; BLOCK_HEADER_BYTES];
    BlockHeader::end(entries.len() as u32).encode(&mut end, header.seed());
    bytes.extend_from_slice(&end);
    bytes
}

/// Reads `octets` as a sidecar, and as the content of one with correct checksums. Panics if reading
/// panics, or if results contradict each other.
pub fn check_sidecar(octets: &[u8]) {
    // The header is rarely valid.
    let _ = check_content(octets.to_vec());
    let header = SidecarHeader::for_segment(&IDENTITY, None);
    let Some((counts, body)) = octets.split_first_chunk::<3>() else { return };
    let records = usize::from(counts[0]).min(body.len() / RECORD_BYTES);
    let block_header = BlockHeader {
        first_slot: u32::from(counts[1] & 1),
        end_slot: u32::from(counts[2]),
        records: records as u32,
        string_bytes: (body.len() - records * RECORD_BYTES) as u32,
        ..BlockHeader::default()
    };
    let mut block = vec![0; BLOCK_HEADER_BYTES];
    block.extend_from_slice(body);
    block_header.encode(&mut block, header.seed());
    let whole = [&header.encode()[..], &block].concat();
    let is_sound = block_header.first_slot == 0
        && std::str::from_utf8(&body[records * RECORD_BYTES..]).is_ok();
    let read = check_content([&whole[..], octets].concat()).expect("its header is right");
    assert_eq!(read, if is_sound { records as u64 } else { 0 });
}

/// Checks `bytes` as a sidecar. Returns the number of entries.
fn check_content(bytes: Vec<u8>) -> Result<u64, Unusable> {
    let length = bytes.len();
    let sidecar = Sidecar::parse(bytes, &IDENTITY)?;
    assert!(HEADER_BYTES + sidecar.unsound_bytes() <= length);
    let mut entries = 0;
    for entry in sidecar.backward() {
        entries += 1;
        assert!(entry.strings().iter().all(|string| !string.contains('\0')));
        let lines = entry.columns.forward_paths.iter().chain(entry.columns.file_names.iter());
        assert!(lines.map(str::len).sum::<usize>() <= length);
    }
    assert_eq!(sidecar.records(), entries);
    Ok(entries)
}

/// Parses `message`, then stores and reads back what an index keeps of it. Panics if the result
/// differs, or if parsing panics.
pub fn check_facts(message: &[u8]) {
    let mut facts = MailFacts::default();
    Extractor::new(Some("X-Number")).extract(message, &mut facts);
    assert!(!facts.is_unparsed, "a panic was caught");
    let entry = IndexEntry {
        columns: Columns {
            from: TextColumn(&facts.from),
            to: TextColumn(&facts.to),
            cc: TextColumn(&facts.cc),
            subject: &facts.subject,
            message_id: &facts.message_id,
            has_attachment: facts.has_attachment,
            file_names: TextColumn(&facts.file_names),
            sent: facts.sent,
            ..Columns::default()
        },
        content_hash: facts.content_hash,
        sequence: facts.sequence,
        is_whole: true,
        ..IndexEntry::default()
    };
    let sidecar = Sidecar::parse(sidecar(&[entry]), &IDENTITY).expect("it was just written");
    assert_eq!(sidecar.unsound_bytes(), 0);
    assert!(sidecar.backward().eq([entry]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_octets_are_read_as_a_sidecar(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            check_sidecar(&octets);
            // As ASCII, so that the text after the records is accepted.
            let text: Vec<u8> = octets.iter().map(|octet| octet & 0x7f).collect();
            check_sidecar(&text);
        }

        #[test]
        fn index_entries_of_any_mail_read_back(text in "(Subject|From|To|X-Number): .*\r\n.*") {
            check_facts(text.as_bytes());
        }
    }
}
