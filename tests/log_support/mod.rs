//! Support for tests of the log: a log with one writer, and payloads that differ between messages.
#![allow(dead_code, reason = "each test program uses a part of it")]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use sinkd::log::reader::Segment;
use sinkd::log::{
    BootId, Commit, CommitProgress, Log, LogSettings, MessageId, NoRoom, PendingCommit, Retention,
    SizeBasis, SlotFacts, Writer,
};
use sinkd::time::ProcessClock;

/// Longer than any wait here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn small() -> LogSettings {
    LogSettings {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 256 << 10,
        dedicated_segment_bytes_over: 64 << 10,
        dedicated_segments_max: 2,
        region_bytes_max: 256 << 10,
        ..LogSettings::default()
    }
}

pub struct TestLog {
    pub log: Log,
    pub writer: Writer,
    pub woken: Receiver<()>,
}

pub fn open(folder: &Path, settings: LogSettings) -> TestLog {
    let (log, _) = Log::open(folder, settings).unwrap();
    let (wake, woken) = bounded(1);
    let writer = log
        .writer(Box::new(move || {
            // Full: a wake is already on its way.
            let _ = wake.try_send(());
        }))
        .unwrap();
    TestLog { log, writer, woken }
}

impl TestLog {
    /// Polls until the answer is not `Wait`.
    pub fn until<T>(
        &mut self,
        mut ask: impl FnMut(&mut Writer) -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        loop {
            match ask(&mut self.writer) {
                Err(NoRoom::Wait) => self.wait_for_wake(),
                other => return other,
            }
        }
    }

    pub fn append(&mut self, envelope: &[u8], payload: &[u8]) -> MessageId {
        let facts = facts(payload);
        let commit = self.until(|w| w.append(envelope, &[payload], &facts)).unwrap();
        self.finish(commit).unwrap()
    }

    /// Waits until the outcome of the commit is known. `None`: it failed.
    pub fn finish(&mut self, commit: Commit) -> Option<MessageId> {
        match commit {
            Commit::Done(committed) => Some(committed.id()),
            Commit::Later(mut pending) => self.outcome(&mut pending),
        }
    }

    /// Polls until the outcome of the commit is known. `None`: it failed.
    pub fn outcome(&mut self, pending: &mut PendingCommit) -> Option<MessageId> {
        loop {
            match self.writer.poll_commit(pending) {
                CommitProgress::Done(committed) => return Some(committed.id()),
                CommitProgress::Failed => return None,
                CommitProgress::Waiting => self.wait_for_wake(),
            }
        }
    }

    /// Submits pending requests, as the loop does at the end of a round, and waits for the wake.
    fn wait_for_wake(&mut self) {
        self.writer.round_done();
        self.woken.recv_timeout(PATIENCE).expect("the writer is woken");
    }

    pub fn close(self) {
        self.writer.close();
        self.log.close();
    }
}

/// Facts of a message that is received now.
pub fn facts(payload: &[u8]) -> SlotFacts {
    let received_at_ns = ProcessClock::get().unix_ns();
    let message_bytes = payload.len() as u32;
    SlotFacts { message_bytes, received_at_ns, reply_code: 250, ..SlotFacts::default() }
}

pub fn read(folder: &Path, id: MessageId) -> (Vec<u8>, Vec<u8>) {
    let path = folder.join("segments").join(format!("{:08}.seg", id.segment));
    let segment = Segment::open(&path).unwrap();
    let slot = segment.slot(id.slot).unwrap();
    let mut buf = Vec::new();
    let (envelope, payload) = segment.record(&slot, &mut buf).unwrap();
    (envelope.to_vec(), payload.to_vec())
}

pub fn payload(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) ^ (i >> 8) as u8).collect()
}

/// Receives `bytes` in pieces into a reservation made for `expected`, followed by extra octets.
pub fn reserved(test_log: &mut TestLog, envelope: &[u8], bytes: &[u8], expected: u64) -> MessageId {
    let mut r = test_log.until(|w| w.reserve(envelope, expected, SizeBasis::Declared)).unwrap();
    let with_end: Vec<u8> = [bytes, b".\r\nQUIT\r\n"].concat();
    let mut rest = &with_end[..];
    while !rest.is_empty() {
        if test_log.writer.room(&r) == 0 {
            test_log.until(|w| w.grow(&mut r, 1)).unwrap();
        }
        let n = test_log
            .until(|w| {
                let space = w.space(&mut r)?;
                let n = space.len().min(rest.len()).min(7_777);
                space[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            })
            .unwrap();
        test_log.writer.filled(&mut r, n);
        rest = &rest[n..];
    }
    let commit = test_log.writer.commit_reserved(r, bytes.len() as u64, &facts(bytes));
    test_log.finish(commit).unwrap()
}

/// Two boots of the machine.
pub const BOOT_A: BootId = BootId([0xa; 16]);
pub const BOOT_B: BootId = BootId([0xb; 16]);
/// Bytes of each segment of the ring.
pub const SEGMENT_BYTES: u64 = 64 << 10;

/// Settings for a ring of small segments.
pub fn ring(bytes: u64) -> LogSettings {
    LogSettings {
        segment_bytes_first: SEGMENT_BYTES,
        segment_bytes_max: SEGMENT_BYTES,
        retention: Retention { bytes: Some(bytes), ..Retention::default() },
        boot: Some(BOOT_A),
        ..small()
    }
}

pub fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("segments/{number:08}.seg"))
}

/// Returns the disk space that all segment files occupy, in octets.
pub fn disk_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("segments")).unwrap();
    files.filter_map(|f| f.unwrap().metadata().ok()).map(|m| m.blocks() * 512).sum()
}
