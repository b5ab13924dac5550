//! The writer against a simple model: for any order of receiving, reserving, growing, releasing and
//! committing, exactly the committed messages are read back, byte for byte.
use crate::log_support;

use std::collections::BTreeMap;
use std::time::Duration;

use log_support::{TestLog, facts, open, payload, small};
use proptest::prelude::*;
use sinkd::log::reader::Folder;
use sinkd::log::{
    Durability, FlushCall, Log, LogSettings, MessageId, NoRoom, Reservation, SizeBasis,
};
use sinkd::time::Span;

#[derive(Debug, Clone)]
enum Step {
    Append { envelope: usize, payload: usize },
    Receive { given: usize, used: usize },
    Reserve { payload: u64, claim: SizeBasis },
    Fill { which: usize, bytes: usize },
    Grow { which: usize, by: u64 },
    Commit { which: usize, less: usize },
    Release { which: usize },
    RoundDone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..300usize, 0..6000usize)
            .prop_map(|(envelope, payload)| Step::Append { envelope, payload }),
        4 => (0..9000usize, 0..9000usize)
            .prop_map(|(given, used)| Step::Receive { given, used: used.min(given) }),
        3 => prop_oneof![4 => 0..40_000u64, 1 => 60_000..200_000u64]
            .prop_flat_map(|payload| {
                let claim = prop_oneof![Just(SizeBasis::Declared), Just(SizeBasis::Guessed)];
                claim.prop_map(move |claim| Step::Reserve { payload, claim })
            }),
        8 => (0..8usize, 0..30_000usize).prop_map(|(which, bytes)| Step::Fill { which, bytes }),
        3 => (0..8usize, 1..60_000u64).prop_map(|(which, by)| Step::Grow { which, by }),
        3 => (0..8usize, 0..6000usize).prop_map(|(which, less)| Step::Commit { which, less }),
        1 => (0..8usize).prop_map(|which| Step::Release { which }),
        1 => Just(Step::RoundDone),
    ]
}

/// A reservation and the bytes written into it.
struct Open {
    r: Reservation,
    envelope: Vec<u8>,
    filled: Vec<u8>,
}

struct Model {
    test_log: TestLog,
    open: Vec<Open>,
    committed: BTreeMap<MessageId, (Vec<u8>, Vec<u8>)>,
    made: u8,
}

impl Model {
    fn run(&mut self, step: &Step) {
        self.made = self.made.wrapping_add(1);
        let at = |which: usize, open: &[Open]| (!open.is_empty()).then(|| which % open.len());
        match *step {
            Step::Append { envelope, payload: len } => {
                let (envelope, bytes) = (payload(self.made, envelope), payload(!self.made, len));
                let (head, tail) = bytes.split_at(len / 3);
                let facts = facts(&bytes);
                let done = self.test_log.until(|w| w.append(&envelope, &[head, tail], &facts));
                let id = self.test_log.finish(done.unwrap()).unwrap();
                self.committed.insert(id, (envelope, bytes));
            }
            Step::Receive { given, used } => {
                let (envelope, bytes) = (payload(self.made, 40), payload(!self.made, used));
                self.test_log
                    .until(|w| {
                        let space = w.receive_here(&envelope, given)?;
                        assert_eq!(space.len(), given);
                        space[..used].copy_from_slice(&bytes);
                        Ok(())
                    })
                    .unwrap();
                let commit = self.test_log.writer.commit_received(used, &facts(&bytes));
                let id = self.test_log.finish(commit).unwrap();
                self.committed.insert(id, (envelope, bytes));
            }
            Step::Reserve { payload: len, claim } => {
                let envelope = payload(self.made, 77);
                match self.test_log.until(|w| w.reserve(&envelope, len, claim)) {
                    Ok(r) => self.open.push(Open { r, envelope, filled: Vec::new() }),
                    Err(e) => assert_eq!(e, NoRoom::Budget),
                }
            }
            Step::Fill { which, bytes } => {
                if let Some(at) = at(which, &self.open) {
                    self.fill(at, bytes);
                }
            }
            Step::Grow { which, by } => {
                if let Some(at) = at(which, &self.open) {
                    let open = &mut self.open[at];
                    let wanted = self.test_log.writer.room(&open.r) + by;
                    match self.test_log.until(|w| w.grow(&mut open.r, wanted)) {
                        Ok(()) => {
                            let room = self.test_log.writer.room(&open.r);
                            assert!(room >= wanted);
                        }
                        Err(e) => assert_eq!(e, NoRoom::Budget),
                    }
                }
            }
            Step::Commit { which, less } => {
                if let Some(at) = at(which, &self.open) {
                    self.commit(at, less);
                }
            }
            Step::Release { which } => {
                if let Some(at) = at(which, &self.open) {
                    self.test_log.writer.release(self.open.swap_remove(at).r);
                }
            }
            Step::RoundDone => {
                self.leave_pinned_segments();
                self.test_log.writer.round_done();
            }
        }
    }

    /// Does what the server does after a round, so that no reservation keeps an old segment open.
    fn leave_pinned_segments(&mut self) {
        while let Some(pinned) = self.test_log.writer.pinned_segment() {
            for open in &mut self.open {
                self.test_log.until(|w| w.leave_segment(&mut open.r, pinned)).unwrap();
            }
            assert_ne!(
                self.test_log.writer.pinned_segment(),
                Some(pinned),
                "every octet has moved"
            );
        }
    }

    fn fill(&mut self, at: usize, bytes: usize) {
        let open = &mut self.open[at];
        let bytes = payload(self.made, bytes.min(self.test_log.writer.room(&open.r) as usize));
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = self
                .test_log
                .until(|w| {
                    let space = w.space(&mut open.r)?;
                    let n = space.len().min(rest.len());
                    space[..n].copy_from_slice(&rest[..n]);
                    Ok(n)
                })
                .unwrap();
            self.test_log.writer.filled(&mut open.r, n);
            open.filled.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
        }
    }

    fn commit(&mut self, at: usize, less: usize) {
        let Open { r, envelope, mut filled } = self.open.swap_remove(at);
        filled.truncate(filled.len().saturating_sub(less));
        let commit = self.test_log.writer.commit_reserved(r, filled.len() as u64, &facts(&filled));
        let id = self.test_log.finish(commit).unwrap();
        self.committed.insert(id, (envelope, filled));
    }

    fn compare(&self, folder: &std::path::Path) {
        let folder = Folder::open(folder).unwrap();
        assert_eq!(folder.unreadable().count(), 0);
        assert_eq!(folder.messages(), self.committed.len() as u64);
        let mut buf = Vec::new();
        let mut seen = 0;
        for slot in folder.listing(Span::default()).unwrap().forward(0).unwrap() {
            let slot = slot.unwrap();
            let segment = folder.segment(slot.id().segment).unwrap();
            let (envelope, bytes) = segment.record(&slot, &mut buf).unwrap();
            let expected = &self.committed[&slot.id()];
            assert!(envelope == expected.0 && bytes == expected.1, "{}", slot.id());
            seen += 1;
        }
        assert_eq!(seen, self.committed.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn committed_messages_are_read_back(
        steps in prop::collection::vec(step(), 1..120),
        durability in prop_oneof![
            2 => Just(Durability::Process),
            1 => Just(Durability::Interval(Duration::from_millis(1))),
            1 => Just(Durability::Message),
        ],
    ) {
        let folder = tempfile::tempdir().unwrap();
        // Without a disk: this tests only which thread waits for which.
        let flush = FlushCall::new(|_| Ok(()));
        let settings = LogSettings { region_bytes_max: 200_000, durability, flush, ..small() };
        let test_log = open(folder.path(), settings.clone());
        let mut model = Model { test_log, open: Vec::new(), committed: BTreeMap::new(), made: 0 };
        for step in &steps {
            model.run(step);
        }
        model.compare(folder.path());
        for open in std::mem::take(&mut model.open) {
            model.test_log.writer.release(open.r);
        }
        let other = tempfile::tempdir().unwrap();
        std::mem::replace(&mut model.test_log, open(other.path(), small())).close();
        model.compare(folder.path());
        let (log, recovery) = Log::open(folder.path(), settings).unwrap();
        prop_assert_eq!((recovery.sealed_now, recovery.damaged.len()), (0, 0));
        prop_assert_eq!(recovery.messages, model.committed.len() as u64);
        model.compare(folder.path());
        log.close();
        model.test_log.close();
    }
}
