//! The log's doors one by one: what each way of a payload stores, and who is refused.
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use sinkd::log::reader::Segment;
use sinkd::log::{Commit, Facts, Kind, Log, MessageId, NoRoom, OpenError, Settings, Writer};

/// Longer than any wait here can take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn small() -> Settings {
    Settings {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 256 << 10,
        own_segment_bytes_over: 64 << 10,
        own_segments_max: 2,
        region_bytes_max: 256 << 10,
        ..Settings::default()
    }
}

struct Bench {
    log: Log,
    writer: Writer,
    woken: Receiver<()>,
}

fn open(folder: &Path, settings: Settings) -> Bench {
    let (log, _) = Log::open(folder, settings).unwrap();
    let (wake, woken) = bounded(1);
    let writer = log.writer(Box::new(move || drop(wake.try_send(())))).unwrap();
    Bench { log, writer, woken }
}

impl Bench {
    /// Asks until the answer is another than `Wait`.
    fn until<T>(
        &mut self,
        mut ask: impl FnMut(&mut Writer) -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        loop {
            match ask(&mut self.writer) {
                Err(NoRoom::Wait) => self.woken.recv_timeout(PATIENCE).expect("a wake follows"),
                other => return other,
            }
        }
    }

    fn append(&mut self, envelope: &[u8], payload: &[u8]) -> MessageId {
        let facts = facts(payload);
        self.until(|w| w.append(envelope, &[payload], &facts)).unwrap().id()
    }

    fn close(self) {
        self.writer.close();
        self.log.close();
    }
}

fn facts(payload: &[u8]) -> Facts {
    Facts { message_bytes: payload.len() as u32, reply_code: 250, ..Facts::default() }
}

fn read(folder: &Path, id: MessageId) -> (Vec<u8>, Vec<u8>) {
    let path = folder.join("segments").join(format!("{:08}.seg", id.segment));
    let segment = Segment::open(&path).unwrap();
    let slot = segment.slot(id.slot).unwrap();
    let mut buf = Vec::new();
    let (envelope, payload) = segment.record(&slot, &mut buf).unwrap();
    (envelope.to_vec(), payload.to_vec())
}

fn payload(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) ^ (i >> 8) as u8).collect()
}

#[test]
fn each_way_of_a_payload_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = open(folder.path(), small());
    let a = bench.append(b"one", b"first");
    let b = {
        let space = bench.writer.receive_here(b"two", 100).unwrap();
        space[..6].copy_from_slice(b"second");
        bench.writer.commit_received(6, &facts(b"second")).id()
    };
    let c = reserved(&mut bench, b"three", &payload(3, 20_000), 40_000);
    let d = reserved(&mut bench, b"four", &payload(4, 300_000), 10_000);
    let e = reserved(&mut bench, b"five", &payload(5, 200_000), 200_000);
    assert_eq!((a.slot, b.slot, c.slot), (0, 1, 2));
    let sent = [
        (a, "one", b"first".to_vec()),
        (b, "two", b"second".to_vec()),
        (c, "three", payload(3, 20_000)),
        (d, "four", payload(4, 300_000)),
        (e, "five", payload(5, 200_000)),
    ];
    let check = |stage| {
        for (id, envelope, bytes) in &sent {
            let expected = (envelope.as_bytes().to_vec(), bytes.clone());
            assert!(read(folder.path(), *id) == expected, "{id} while {stage}");
        }
    };
    check("open");
    bench.close();
    check("closed");
    let (log, recovery) = Log::open(folder.path(), small()).unwrap();
    assert_eq!((recovery.messages, recovery.sealed_now), (5, 0));
    assert_eq!(log.start_count(), 2);
    check("reopened");
    log.close();
}

/// Receives `bytes` in pieces into a reservation made for `expected`, with some octets behind.
fn reserved(bench: &mut Bench, envelope: &[u8], bytes: &[u8], expected: u64) -> MessageId {
    let mut r = bench.until(|w| w.reserve(envelope, expected)).unwrap();
    let with_end: Vec<u8> = [bytes, b".\r\nQUIT\r\n"].concat();
    let mut rest = &with_end[..];
    while !rest.is_empty() {
        if bench.writer.room(&r) == 0 {
            let filled = with_end.len() - rest.len();
            bench.until(|w| w.grow(&mut r, filled as u64 + 1)).unwrap();
        }
        let n = bench
            .until(|w| {
                let space = w.space(&mut r)?;
                let n = space.len().min(rest.len()).min(7_777);
                space[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            })
            .unwrap();
        bench.writer.filled(&mut r, n);
        rest = &rest[n..];
    }
    match bench.writer.commit_reserved(r, bytes.len() as u64, &facts(bytes)) {
        Commit::Done(committed) => committed.id(),
        Commit::Later(mut pending) => bench.until(|w| w.poll_commit(&mut pending)).unwrap().id(),
    }
}

#[test]
fn budgets_refuse_and_recover() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = open(folder.path(), small());
    let mut held = Vec::new();
    let refused = loop {
        match bench.until(|w| w.reserve(b"e", 40_000)) {
            Ok(r) => held.push(r),
            Err(e) => break e,
        }
    };
    assert_eq!((refused, held.len()), (NoRoom::Budget, 6));
    bench.writer.release(held.pop().unwrap());
    held.push(bench.until(|w| w.reserve(b"e", 40_000)).unwrap());
    let own: Vec<_> = (0..2).map(|_| bench.until(|w| w.reserve(b"e", 1 << 20)).unwrap()).collect();
    assert_eq!(bench.until(|w| w.reserve(b"e", 1 << 20)).unwrap_err(), NoRoom::Budget);
    for r in held.into_iter().chain(own) {
        bench.writer.release(r);
    }
    bench.close();
    // Nothing was committed, so nothing stays.
    let left = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_second_log_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(folder.path(), small()).unwrap();
    let error = Log::open(folder.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    log.close();
    Log::open(folder.path(), small()).unwrap().0.close();
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Log::open(file.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
    let error = Log::open(&file.path().join("below"), small()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
}

#[test]
fn kinds_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = open(folder.path(), small());
    for kind in [Kind::Message, Kind::Rejection, Kind::Message, Kind::Note, Kind::Rejection] {
        let facts = Facts { kind, ..facts(b"x") };
        bench.until(|w| w.append(b"e", &[b"x"], &facts)).unwrap();
    }
    let segment = Segment::open(&folder.path().join("segments/00000001.seg")).unwrap();
    assert_eq!((segment.published().messages, segment.published().slots), (2, 5));
    assert_eq!((segment.rejections(), segment.notes()), (2, 1));
    assert_eq!(segment.slot(4).unwrap().messages_before, 2);
    bench.close();
}
