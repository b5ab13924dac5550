//! Rows of several folders: order, limit, unreadable messages, and search results.
use crate::log_support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use log_support::{TestLog, facts, open, segment_path, small};
use sinkd::analysis::rows::{
    ContentSource, ListQuery, MatchQuery, Matches, MessageRow, RowList, RowReader, TimeOrder,
    parse_queries,
};
use sinkd::log::SlotFacts;
use sinkd::log::reader::{Folder, ReadError};
use sinkd::smtp::envelope::{Tag, append_field};
use sinkd::time::{Span, UnixNs};
use tempfile::tempdir;

/// Appends one message per time (s); its subject is the time.
fn fill(folder: &Path, times: &[u64]) {
    let mut envelope = Vec::new();
    append_field(&mut envelope, Tag::Version, &[1]);
    append_field(&mut envelope, Tag::ForwardPath, b"ann@example.org");
    let mut test_log: TestLog = open(folder, small());
    for time in times {
        let payload = format!("Subject: at {time}\r\n\r\nHello\r\n");
        let facts =
            SlotFacts { received_at_ns: UnixNs::of_second(*time), ..facts(payload.as_bytes()) };
        let append =
            test_log.until(|w| w.append(&envelope, &[payload.as_bytes()], &facts)).unwrap();
        test_log.finish(append).unwrap();
    }
    test_log.close();
}

fn query(order: TimeOrder, offset: u64, limit: Option<u64>) -> ListQuery<'static> {
    ListQuery { spans: &[Span { since_ns: None, until_ns: None }; 2], order, offset, limit }
}

type Rows = Vec<(usize, Result<MessageRow, ReadError>)>;

/// Returns all rows, their number, and the number of messages before the limit applied.
fn list(folders: &[Folder], query: ListQuery<'_>) -> (Rows, u64, Option<u64>) {
    let sources = folders.iter().map(|folder| ContentSource::message(folder).unwrap());
    let mut sources: Vec<_> = sources.collect();
    let mut list = RowList::open(folders, &mut sources, &[None, None], query).unwrap();
    assert!(list.take_damage().is_empty());
    let rows = list.by_ref().collect();
    (rows, list.returned(), list.cut_of())
}

fn subject(row: &MessageRow) -> &str {
    row.contents.subject.as_deref().and_then(|subject| subject.strip_prefix("at ")).unwrap()
}

fn subjects(rows: &Rows) -> Vec<(usize, &str)> {
    rows.iter().map(|(n, row)| (*n, subject(row.as_ref().unwrap()))).collect()
}

#[test]
fn rows_of_two_folders_are_sorted_by_time_and_a_limit_counts_what_it_cut() {
    let folders = [tempdir().unwrap(), tempdir().unwrap()];
    fill(folders[0].path(), &[10, 30, 50]);
    fill(folders[1].path(), &[20, 40]);
    let folders = folders.each_ref().map(|folder| Folder::open(folder.path()).unwrap());
    let (rows, returned, cut_of) = list(&folders, query(TimeOrder::OldestFirst, 0, None));
    assert_eq!(subjects(&rows), [(0, "10"), (1, "20"), (0, "30"), (1, "40"), (0, "50")]);
    assert_eq!((returned, cut_of), (5, None));
    let (rows, returned, cut_of) = list(&folders, query(TimeOrder::NewestFirst, 1, Some(2)));
    assert_eq!(subjects(&rows), [(1, "40"), (0, "30")]);
    assert_eq!((returned, cut_of), (2, Some(5)));
    // A limit that is reached but not exceeded cuts nothing.
    let (rows, _, cut_of) = list(&folders, query(TimeOrder::OldestFirst, 3, Some(2)));
    assert_eq!((rows.len(), cut_of), (2, None));
    let (rows, returned, cut_of) = list(&folders, query(TimeOrder::OldestFirst, 0, Some(0)));
    assert_eq!((rows.len(), returned, cut_of), (0, 0, Some(5)));
    let (rows, returned, cut_of) = list(&folders, query(TimeOrder::OldestFirst, 9, None));
    assert_eq!((rows.len(), returned, cut_of), (0, 0, None));
}

#[test]
fn a_damaged_message_is_an_error_at_its_position_among_the_rows() {
    let folder = tempdir().unwrap();
    fill(folder.path(), &[10, 20, 30]);
    let path = segment_path(folder.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|octets| octets == b"at 20").unwrap();
    bytes[at] = b'x';
    fs::write(&path, bytes).unwrap();
    let folders = [Folder::open(folder.path()).unwrap()];
    let (rows, returned, cut_of) = list(&folders, query(TimeOrder::OldestFirst, 0, None));
    assert!(matches!(rows[1].1, Err(ReadError::Damage(_))), "{:?}", rows[1].1);
    assert!(rows[0].1.is_ok() && rows[2].1.is_ok());
    assert_eq!((returned, cut_of), (3, None));
}

#[test]
fn a_message_whose_segment_was_pruned_meanwhile_gets_no_row() {
    let folder = tempdir().unwrap();
    fill(folder.path(), &[10, 20]);
    let opened = Folder::open(folder.path()).unwrap();
    let slots = opened.listing(Span::default()).unwrap().forward(0).unwrap();
    let slots: Vec<_> = slots.map(Result::unwrap).collect();
    drop(opened);
    let opened = Folder::open(folder.path()).unwrap();
    fs::remove_file(segment_path(folder.path(), 1)).unwrap();
    let mut source = ContentSource::message(&opened).unwrap();
    let mut reader = RowReader::new(&opened, &mut source, None).unwrap();
    for slot in slots {
        assert!(reader.read(&slot).unwrap().is_none());
        assert!(reader.read_id(slot.id()).unwrap().is_none());
    }
    assert_eq!(opened.pruned_unread().segments, 1);
}

#[test]
fn the_newest_matches_of_all_folders_are_found_and_a_stop_is_reported() {
    let folders = [tempdir().unwrap(), tempdir().unwrap()];
    fill(folders[0].path(), &[10, 30]);
    fill(folders[1].path(), &[20, 40]);
    let folders = folders.each_ref().map(|folder| Folder::open(folder.path()).unwrap());
    let queries = parse_queries(&folders, "subject:at", UnixNs::EPOCH).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (spans, indexed_only) = (&[Span::default(); 2], false);
    let wanted = |limit| MatchQuery { queries: &queries, spans, limit, indexed_only, stop: &stop };
    let found = Matches::find(&folders, wanted(Some(3)), &mut |_, _| {});
    let times = found.hits.iter().map(|(n, hit)| (*n, hit.received_at_ns.second()));
    assert_eq!(times.collect::<Vec<_>>(), [(1, 40), (0, 30), (1, 20)]);
    assert!(found.left_out.is_nothing());
    let found = Matches::find(&folders, wanted(Some(0)), &mut |_, _| {});
    assert_eq!((found.count, found.hits.len(), found.searched), (4, 0, 4));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let found = Matches::find(&folders, wanted(None), &mut |_, _| {});
    assert!(found.left_out.stopped);
}
