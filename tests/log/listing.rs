//! Listings: the order over many segments and starts, and pages found without reading earlier ones.
use crate::log_support;

use crossbeam_channel::bounded;
use log_support::{facts, small};
use proptest::prelude::*;
use sinkd::log::reader::{Folder, Listing, ReadError};
use sinkd::log::{self, Log, LogSettings, MessageId, NoRoom, Remove, SlotFacts, SlotKind};
use sinkd::time::{Span, UnixNs};

/// (start, time, id) of each message, in listing order.
type Order = Vec<(u32, u64, MessageId)>;

/// Commits by several workers, in several starts. The time can stay the same, and can step back
/// between starts.
fn fill(folder: &std::path::Path, starts: &[Vec<(u8, u8, bool)>]) -> Order {
    let mut order = Order::new();
    for (start, commits) in starts.iter().enumerate() {
        let settings =
            LogSettings { segment_bytes_first: 16 << 10, segment_bytes_max: 16 << 10, ..small() };
        let (log, _) = Log::open(folder, settings).unwrap();
        let (wake, woken) = bounded(1);
        let mut writers: Vec<_> = (0..3)
            .map(|_| {
                let wake = wake.clone();
                let wake = move || {
                    let _ = wake.try_send(());
                };
                log.writer(Box::new(wake)).unwrap()
            })
            .collect();
        let mut now = 1_000_000 - 100 * start as u64;
        for (worker, step, is_message) in commits {
            now += u64::from(*step);
            let kind = if *is_message { SlotKind::Message } else { SlotKind::Rejection };
            let facts = SlotFacts { received_at_ns: UnixNs::new(now), kind, ..facts(b"x") };
            let writer = &mut writers[*worker as usize % 3];
            let id = loop {
                match writer.append(&[7; 90], &[&[8; 300]], &facts) {
                    Ok(committed) => break committed.done().unwrap().id(),
                    Err(NoRoom::Wait) => woken.recv().unwrap(),
                    Err(e) => panic!("{e:?}"),
                }
            };
            if *is_message {
                order.push((start as u32 + 1, now, id));
            }
        }
        writers.into_iter().for_each(|writer| writer.close());
        log.close();
    }
    order.sort();
    order
}

#[derive(Debug, Clone)]
enum Removal {
    /// Positions in the order, some repeated or out of range.
    Some(Vec<usize>),
    /// Everything before a time.
    Until(u64),
    All,
}

fn removal() -> impl Strategy<Value = Removal> {
    prop_oneof![
        6 => prop::collection::vec(0..300usize, 1..30).prop_map(Removal::Some),
        2 => (999_700..1_000_300u64).prop_map(Removal::Until),
        1 => Just(Removal::All),
    ]
}

/// Removes from the folder and from the model, and compares the reports.
fn remove(folder: &std::path::Path, removal: &Removal, order: &mut Order) {
    let gone: Vec<MessageId> = match removal {
        Removal::Some(places) => {
            let mut ids: Vec<_> =
                places.iter().filter_map(|i| order.get(*i)).map(|m| m.2).collect();
            ids.sort();
            ids.dedup();
            ids
        }
        Removal::Until(ns) => order.iter().filter(|m| m.1 < *ns).map(|m| m.2).collect(),
        Removal::All => order.iter().map(|m| m.2).collect(),
    };
    let what = match removal {
        Removal::Some(_) => Remove::Ids(gone.iter().chain(&gone).copied().collect()),
        Removal::Until(ns) => Remove::Until(UnixNs::new(*ns)),
        Removal::All => Remove::All,
    };
    let removed = log::remove(folder, &what).unwrap();
    assert_eq!((removed.messages, removed.missing.len()), (gone.len() as u64, 0), "{removal:?}");
    order.retain(|message| !gone.contains(&message.2));
    let reader = Folder::open(folder).unwrap();
    for id in &gone {
        assert!(matches!(reader.find(*id), Err(ReadError::Removed { .. })), "{id}");
    }
    let again = log::remove(folder, &Remove::Ids(gone.clone())).unwrap();
    assert_eq!((again.messages, again.missing), (0, gone));
}

fn ids(listing: &Listing<'_>, offset: u64, limit: usize) -> Vec<MessageId> {
    listing.forward(offset).unwrap().take(limit).map(|s| s.unwrap().id()).collect()
}

fn ids_backward(listing: &Listing<'_>, offset: u64, limit: usize) -> Vec<MessageId> {
    listing.backward(offset).unwrap().take(limit).map(|s| s.unwrap().id()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_page_equals_its_part_of_the_full_listing(
        starts in prop::collection::vec(
            prop::collection::vec((0..3u8, prop_oneof![3 => Just(0u8), 5 => 0..9u8], prop::bool::weighted(0.9)), 0..120),
            1..4,
        ),
        offsets in prop::collection::vec(0..400u64, 8),
        span in (0..300u64, 0..300u64),
        removals in prop::collection::vec(removal(), 0..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut order = fill(dir.path(), &starts);
        for removal in &removals {
            remove(dir.path(), removal, &mut order);
        }
        let folder = Folder::open(dir.path()).unwrap();
        let all: Vec<MessageId> = order.iter().map(|(_, _, id)| *id).collect();
        let listing = folder.listing(Span::default()).unwrap();
        prop_assert_eq!(folder.messages(), all.len() as u64);
        prop_assert_eq!(listing.len(), all.len() as u64);
        prop_assert_eq!(ids(&listing, 0, usize::MAX), all.clone());
        let reversed: Vec<MessageId> = all.iter().rev().copied().collect();
        prop_assert_eq!(ids_backward(&listing, 0, usize::MAX), reversed.clone());
        for offset in offsets {
            let from = all.len().min(offset as usize);
            prop_assert_eq!(ids(&listing, offset, 7), all[from..].iter().take(7).copied().collect::<Vec<_>>());
            let expected: Vec<_> = reversed[from..].iter().take(7).copied().collect();
            prop_assert_eq!(ids_backward(&listing, offset, 7), expected);
        }
        prop_assert_eq!(folder.latest().unwrap().newest.map(|(_, slot)| slot.id()), all.last().copied());
        let (since, until) = (999_900 + span.0, 999_900 + span.0 + span.1);
        let inside: Vec<MessageId> =
            order.iter().filter(|m| (since..until).contains(&m.1)).map(|m| m.2).collect();
        let at = |ns| Some(UnixNs::new(ns));
        let part = folder.listing(Span { since_ns: at(since), until_ns: at(until) }).unwrap();
        prop_assert_eq!(part.len(), inside.len() as u64);
        prop_assert_eq!(ids(&part, 3, 20), inside.iter().skip(3).take(20).copied().collect::<Vec<_>>());
        let back: Vec<_> = inside.iter().rev().skip(2).take(20).copied().collect();
        prop_assert_eq!(ids_backward(&part, 2, 20), back);
    }
}

#[test]
fn an_empty_folder_lists_nothing() {
    let dir = tempfile::tempdir().unwrap();
    Log::open(dir.path(), small()).unwrap().0.close();
    let folder = Folder::open(dir.path()).unwrap();
    assert!(folder.listing(Span::default()).unwrap().is_empty());
    assert!(folder.latest().unwrap().newest.is_none());
}

#[test]
fn notes_name_their_messages() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = log_support::open(dir.path(), small());
    let id = test_log.append(b"e", b"its 250 was lost");
    test_log.append(b"e", b"its was not");
    let note = SlotFacts { kind: SlotKind::Note, ..SlotFacts::default() };
    test_log.until(|w| w.append(b"", &[&id.to_bytes()], &note)).unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    assert_eq!(folder.notes().unwrap().of.into_iter().collect::<Vec<_>>(), [id]);
    assert_eq!(folder.messages(), 2);
    test_log.close();
}

#[test]
fn a_follower_sees_each_new_message_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut test_log = log_support::open(dir.path(), small());
    test_log.append(b"e", b"before");
    let mut folder = Folder::open(dir.path()).unwrap();
    let seen = folder.positions();
    assert_eq!(folder.since(&seen), []);
    let id = test_log.append(b"e", b"after");
    folder.refresh().unwrap();
    assert_eq!(folder.since(&seen), [(id.segment, 1..2)]);
    assert_eq!(folder.since(&folder.positions()), []);
    test_log.close();
}
