//! A check for the fuzzer: any octets can be read as a file of batches.
use std::io::Cursor;

use super::batch::{BATCH_BYTES_MAX, HEADER_BYTES};
use super::reading::batches_in;

/// Reads `octets` as a file of batches. Panics if a batch lies outside the file.
pub fn check_batches(octets: &[u8]) {
    let found = batches_in(&mut Cursor::new(octets)).expect("memory can be read");
    let mut end = 0;
    for (at, header) in found.batches {
        assert!(at >= end, "batches overlap");
        let begin = at as usize + HEADER_BYTES;
        end = (begin + header.records_bytes()) as u64;
        assert!(end <= octets.len() as u64 && header.records_bytes() <= BATCH_BYTES_MAX);
        if let Some(sessions) = header.records(&octets[begin..end as usize]) {
            sessions.for_each(|session| _ = (session.client(), session.began_us()));
        }
    }
}
