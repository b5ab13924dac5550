//! SIGKILL during indexing, over many starts on one folder: searches answer as if every message
//! were read, and in the end the index covers each message exactly once.
use crate::common;

use std::collections::HashSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Dice, Sink};
use sinkd::index::MessageReader;
use sinkd::index::query::{Query, Scratch};
use sinkd::index::{SearchOptions, SearchProgress, SearchResult, Sidecar, search};
use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, Runs};
use sinkd::time::{Span, UnixNs};
use tempfile::tempdir;

const ROUNDS: usize = 8;
const SENDERS: usize = 3;
/// Longer than indexing the backlog takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ARGS: [&str; 6] = ["--workers", "2", "--index", "eager", "--segment-bytes", "1M"];
const QUERIES: &[&str] = &["", "subject:one", "body:two", "-three to:example.net", "size:<700"];

#[test]
fn a_killed_index_is_continued() {
    let data = tempdir().unwrap();
    let mut behind = 0;
    for round in 0..ROUNDS {
        let threads = ["1", "2"][round % 2];
        let sink = Sink::start(data.path(), &[&ARGS[..], &["--index-threads", threads]].concat());
        let acknowledged = AtomicUsize::new(0);
        let enough = 1 + Dice::number(round as u64 + 1).roll(1500);
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (address, acknowledged) = (sink.addresses[0], &acknowledged);
                let dice = Dice::number((round * SENDERS + sender) as u64 + 100);
                scope.spawn(move || send_until_killed(address, dice, acknowledged));
            }
            common::until("enough messages", || acknowledged.load(Ordering::Relaxed) >= enough);
            sink.kill();
        });
        assert_answers_are_complete(data.path());
        behind += find(data.path(), "", true).left_out.not_indexed;
    }
    assert!(behind > 0, "some kill found the index under way");
    let sink = Sink::start(data.path(), &ARGS);
    let since = Instant::now();
    while !find(data.path(), "", true).left_out.is_nothing() {
        assert!(since.elapsed() < PATIENCE, "{:?}", find(data.path(), "", true).left_out);
        std::thread::yield_now();
    }
    assert_answers_are_complete(data.path());
    sink.stop();
    let indexed = indexed(data.path());
    let messages = common::messages(data.path()).len();
    assert_eq!(indexed.len(), messages);
    assert_eq!(
        indexed.iter().collect::<HashSet<_>>().len(),
        messages,
        "each message is indexed once"
    );
}

/// Sends until the connection ends; returns the error that ended it, if any.
fn send_until_killed(
    address: SocketAddr,
    mut dice: Dice,
    acknowledged: &AtomicUsize,
) -> Option<()> {
    let mut stream = common::connect(address).ok()?;
    let mut talk = |octets: &[u8]| -> Option<()> {
        stream.write_all(octets).ok()?;
        (!common::read_reply(&mut stream).ok()?.is_empty()).then_some(())
    };
    talk(b"")?;
    talk(b"EHLO x\r\n")?;
    loop {
        let mut word = || ["one", "two", "three", "four"][dice.roll(4)];
        let header = format!("Subject: {} {}\r\n\r\n", word(), word());
        let body = format!("{}\r\n{}\r\n.\r\n", word(), word().repeat(dice.roll(300)));
        talk(b"MAIL FROM:<a@example.org>\r\n")?;
        let to = ["b@example.com", "c@example.net"][dice.roll(2)];
        talk(format!("RCPT TO:<{to}>\r\n").as_bytes())?;
        talk(b"DATA\r\n")?;
        talk(&[header, body].concat().into_bytes())?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

fn parse(query: &str) -> Query {
    Query::parse(query, UnixNs::EPOCH, &Runs::default()).unwrap()
}

fn find(data: &Path, query: &str, indexed_only: bool) -> SearchResult {
    let folder = Folder::open(data).unwrap();
    let wanted = SearchOptions { limit: None, span: Span::default(), indexed_only, threads: 2 };
    search(&folder, &parse(query), wanted, &SearchProgress::default())
}

fn assert_answers_are_complete(data: &Path) {
    let folder = Folder::open(data).unwrap();
    let (mut reading, mut scratch) = (MessageReader::new(None), Scratch::default());
    for text in QUERIES {
        let query = parse(text);
        let mut expected = Vec::new();
        let listing = folder.listing(Span::default()).unwrap();
        for slot in listing.backward(0).unwrap().map(Result::unwrap) {
            let segment = folder.segment(slot.id().segment).unwrap();
            let read = reading.read(&segment, &slot).unwrap();
            if query.matches_message(&read.entry.columns, &read.message, &mut scratch) {
                expected.push(slot.id());
            }
        }
        let found = find(data, text, false);
        let ids: Vec<MessageId> = found.hits.iter().map(|hit| hit.id).collect();
        assert_eq!(ids, expected, "{text}");
        assert!(found.left_out.is_nothing(), "{text}: {:?}", found.left_out);
    }
}

fn indexed(data: &Path) -> Vec<MessageId> {
    let folder = Folder::open(data).unwrap();
    let mut ids = Vec::new();
    for summary in folder.segments().filter(|s| s.published.messages > 0) {
        let sidecar = Sidecar::read(data, &summary.identity).unwrap().unwrap().unwrap();
        assert_eq!(sidecar.unsound_bytes(), 0);
        let segment = summary.identity.number;
        ids.extend(sidecar.backward().map(|e| MessageId { segment, slot: e.slot }));
    }
    ids
}
