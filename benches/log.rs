//! The log's hot paths: append and commit, iterate, verify. Each checks its result before it
//! reports a time.
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::{Receiver, bounded};
use sinkd::log::reader::{Folder, Segment};
use sinkd::log::{Log, LogSettings, NoRoom, SlotFacts, Writer};

const ENVELOPE: &[u8] = &[b'e'; 100];

struct Bench {
    log: Log,
    writer: Writer,
    woken: Receiver<()>,
}

fn open(folder: &Path) -> Bench {
    let (log, _) = Log::open(folder, LogSettings::default()).expect("a folder that can be written");
    let (wake, woken) = bounded(1);
    let wake = move || {
        // Full: a wake is already on its way.
        let _ = wake.try_send(());
    };
    let writer = log.writer(Box::new(wake)).expect("room for a segment");
    Bench { log, writer, woken }
}

impl Bench {
    /// Receives a payload as a worker does: directly into the map.
    fn receive(&mut self, payload: &[u8], facts: &SlotFacts) {
        loop {
            match self.writer.receive_here(ENVELOPE, payload.len()) {
                Ok(space) => {
                    space.copy_from_slice(payload);
                    break;
                }
                Err(NoRoom::Wait) => self.woken.recv().expect("a wake follows"),
                Err(e) => panic!("{e:?}"),
            }
        }
        black_box(self.writer.commit_received(payload.len(), facts));
    }

    fn close(self) {
        self.writer.close();
        self.log.close();
    }
}

/// Messages per iteration, so that 64 MB are written and dropped each time.
fn messages(len: usize) -> usize {
    (64 << 20) / (len + 200)
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log/append_commit");
    group.sample_size(10);
    for len in [1 << 10, 10 << 10, 1 << 20] {
        let payload = vec![b'p'; len];
        let n = messages(len);
        group.throughput(Throughput::Bytes((n * len) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{len}B x{n}")), |b| {
            // Opening, sealing and removing the log are not measured.
            b.iter_custom(|rounds| {
                let facts = SlotFacts { message_bytes: len as u32, ..SlotFacts::default() };
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    let folder = tempfile::tempdir().expect("scratch space");
                    let mut bench = open(folder.path());
                    let start = Instant::now();
                    for _ in 0..n {
                        bench.receive(&payload, &facts);
                    }
                    took += start.elapsed();
                    let stored = Folder::open(folder.path()).expect("just written");
                    assert_eq!(stored.messages(), n as u64);
                    bench.close();
                }
                took
            });
        });
    }
    group.finish();
}

/// 64 MB of 2 KB messages, sealed.
fn filled(folder: &Path) -> (usize, u64) {
    let mut bench = open(folder);
    let (payload, n) = (vec![b'p'; 2 << 10], messages(2 << 10));
    for _ in 0..n {
        bench.receive(&payload, &SlotFacts { message_bytes: 2 << 10, ..SlotFacts::default() });
    }
    bench.close();
    (n, (n * (payload.len() + ENVELOPE.len())) as u64)
}

fn segments(folder: &Path) -> Vec<Segment> {
    let folder = Folder::open(folder).expect("it was just filled");
    let open = |summary: &sinkd::log::reader::SegmentSummary| Segment::open(&summary.path);
    folder.segments().map(open).collect::<Result<_, _>>().expect("readable")
}

fn read(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("scratch space");
    let (n, bytes) = filled(folder.path());
    let segments = segments(folder.path());
    let mut group = c.benchmark_group("log/read");
    group.sample_size(20);
    group.throughput(Throughput::Elements(n as u64));
    group.bench_function("slots", |b| {
        b.iter(|| {
            let slots = segments.iter().flat_map(|s| s.slots(0..u32::MAX));
            assert_eq!(slots.filter(Result::is_ok).count(), n);
        });
    });
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("records", |b| {
        let mut buf = Vec::new();
        b.iter(|| {
            let mut read = 0;
            for segment in &segments {
                for slot in segment.slots(0..u32::MAX).flatten() {
                    let (envelope, payload) = segment.record(&slot, &mut buf).expect("intact");
                    read += (envelope.len() + payload.len()) as u64;
                }
            }
            assert_eq!(read, bytes);
        });
    });
    group.bench_function("verify", |b| {
        b.iter(|| assert_eq!(segments.iter().map(|s| s.verify().count()).sum::<usize>(), 0));
    });
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
