//! Fuzzing: reading a file with any content must not panic.
use std::io::Write;
use std::path::Path;

use super::Segment;
use crate::log::format::BootId;

/// Reads `bytes` as a segment file in every possible way, both in its own boot and in another one.
///
/// Panics if reading panics, or if results contradict each other. Costs a temporary file.
pub fn check_segment(bytes: &[u8]) {
    let boot: [u8; 16] = bytes.get(48..64).and_then(|b| b.try_into().ok()).unwrap_or_default();
    for boot in [BootId(boot), BootId([0xee; 16])] {
        let mut file = scratch_file();
        file.write_all(bytes).expect("scratch space is writable");
        let Ok(segment) = Segment::from_file(file, Path::new("fuzz"), boot) else {
            continue;
        };
        check_content(&segment);
    }
}

fn check_content(segment: &Segment) {
    let published = segment.published();
    assert!(published.messages <= published.slots);
    let (mut buf, mut slots, mut damaged) = (Vec::new(), 0, 0);
    for slot in segment.slots(0..u32::MAX) {
        slots += 1;
        let Ok(slot) = slot else {
            damaged += 1;
            continue;
        };
        assert!(
            segment.slot(slot.id().slot).is_ok_and(|again| again.record_crc() == slot.record_crc())
        );
        match segment.record(&slot, &mut buf) {
            Ok((envelope, payload)) => {
                assert!(envelope.len() == slot.envelope_bytes() as usize);
                assert!(payload.len() == slot.payload_bytes() as usize);
            }
            Err(_) => damaged += 1,
        }
    }
    assert!(slots == published.slots);
    assert!(segment.verify().count() == damaged);
    assert!(segment.slot(published.slots).is_err());
    let _ = (segment.state(), segment.totals(), segment.rejections(), segment.only_counted());
}

#[cfg(all(target_os = "linux", not(sinkd_portable)))]
fn scratch_file() -> std::fs::File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("segment", flags).expect("memory for a file").into()
}

#[cfg(any(sinkd_portable, not(target_os = "linux")))]
fn scratch_file() -> std::fs::File {
    let path = std::env::temp_dir().join(format!("sinkd-check-{}", std::process::id()));
    let options = std::fs::OpenOptions::new();
    let file = options.clone().read(true).write(true).create(true).truncate(true).open(&path);
    std::fs::remove_file(&path).expect("it was just made");
    file.expect("scratch space is writable")
}
