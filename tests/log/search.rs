//! Searching: however much of a folder is indexed, the result equals that of reading every message.
use crate::common;
use crate::log_support;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use common::Dice;
use crossbeam_channel::{Receiver, bounded};
use log_support::{TestLog, facts, open, small};
use proptest::prelude::*;
use sinkd::index::MessageReader;
use sinkd::index::query::{Query, Scratch};
use sinkd::index::{
    IndexFault, IndexedContent, Lookup, ReindexProgress, SearchOptions, SearchProgress,
    SearchResult, reindex, search, sidecar,
};
use sinkd::log::reader::Folder;
use sinkd::log::{self, MessageId, Remove, Run, Runs, SlotFacts, StoredPart, Writer};
use sinkd::smtp::envelope::{Tag, append_field};
use sinkd::time::{Span, UnixNs};
use tempfile::{TempDir, tempdir};

const SECOND: u64 = 1_000_000_000;
/// Commit time of the first message.
const BEGIN_NS: u64 = 1_795_240_000 * SECOND;

const WORDS: &[&str] =
    &["hello", "Grüße", "invoice", "注文", "ありがとう", "4711", "Zażółć", "привет", "rare"];
const ADDRESSES: &[&str] = &[
    "ann@example.org",
    "bob@mail.example.org",
    "Carl@example.com",
    "dora@badexample.org",
    "postmaster",
    "",
];

fn one<'a>(dice: &mut Dice, of: &[&'a str]) -> &'a str {
    of[dice.roll(of.len())]
}

fn envelope(dice: &mut Dice) -> Vec<u8> {
    let mut envelope = Vec::new();
    append_field(&mut envelope, Tag::Version, &[1]);
    append_field(&mut envelope, Tag::ReversePath, one(dice, ADDRESSES).as_bytes());
    for _ in 0..1 + dice.roll(3) {
        let to = ADDRESSES[dice.roll(ADDRESSES.len() - 1)];
        append_field(&mut envelope, Tag::ForwardPath, to.as_bytes());
    }
    let listener = one(dice, &["127.0.0.1:25", "127.0.0.1:26"]);
    append_field(&mut envelope, Tag::Listener, listener.as_bytes());
    if dice.roll(2) == 0 {
        append_field(&mut envelope, Tag::ListenerName, one(dice, &["mx-a", "mx-b"]).as_bytes());
    }
    // Each kind in a field of its own; kind 200 is from a newer writer.
    for kind in [dice.roll(20) as u8, dice.roll(20) as u8, 200] {
        append_field(&mut envelope, Tag::Deviations, &[kind]);
    }
    envelope
}

/// Returns a message in wire form and the number of its stuffed dots.
fn mail(dice: &mut Dice) -> (Vec<u8>, u32) {
    let mut text = String::new();
    for _ in 0..dice.roll(40) {
        text += one(dice, WORDS);
        text += one(dice, &[" ", "-", "\r\n", ", "]);
    }
    let (subject, name) = (one(dice, WORDS), one(dice, WORDS));
    let header = format!(
        "Subject: {subject} {}\r\nFrom: {name} <{}>\r\nTo: {}\r\nCc: {}\r\nX-Number: {}\r\n\
         X-Campaign: {name} sale\r\nMessage-ID: <{}@example.org>\r\n",
        one(dice, WORDS),
        one(dice, ADDRESSES),
        one(dice, ADDRESSES),
        one(dice, ADDRESSES),
        dice.roll(1000),
        dice.roll(50)
    );
    let mail = match dice.roll(9) {
        0 => (0..dice.roll(300)).map(|_| dice.roll(256) as u8).collect(),
        1 => return (format!("{header}\r\n..{text}\r\n..rare\r\n").into_bytes(), 2),
        2 => format!(
            "{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n\
             Content-Disposition: attachment; filename={}.pdf\r\n\r\nhello\r\n--b--\r\n",
            dice.roll(5)
        )
        .into_bytes(),
        3 => format!("{header}Content-Type: text/html; charset=utf-8\r\n\r\n<p>{text}</p>\r\n")
            .into_bytes(),
        4 => [
            format!("{header}Content-Type: text/plain; charset=iso-8859-1\r\n\r\n").as_bytes(),
            b"Gr\xfc\xdfe und hello\r\n",
        ]
        .concat(),
        5 => concat!(
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-2022-jp?b?GyRCQ21KOBsoQg==?=\r\n",
            "Content-Transfer-Encoding: base64\r\n\r\naW52b2ljZSBoZWxsbw==\r\n"
        )
        .into(),
        6 => format!(
            "{header}Content-Transfer-Encoding: quoted-printable\r\n\r\nra=\r\nre Gr=C3=BC=C3=9Fe\r\n"
        )
        .into_bytes(),
        _ => format!("{header}\r\n{text}\r\n").into_bytes(),
    };
    // Occasionally one that gets a segment of its own.
    match dice.roll(200) {
        0 => ([mail, "x ".repeat(40_000).into_bytes()].concat(), 0),
        _ => (mail, 0),
    }
}

/// One of several workers that take turns.
fn worker(test_log: &TestLog) -> (Writer, Receiver<()>) {
    let (wake, woken) = bounded(1);
    let wake = move || {
        // Full: a wake is already on its way.
        let _ = wake.try_send(());
    };
    (test_log.log.writer(Box::new(wake)).unwrap(), woken)
}

fn append(test_log: &mut TestLog, envelope: &[u8], payload: &[u8], facts: &SlotFacts) -> MessageId {
    let commit = test_log.until(|w| w.append(envelope, &[payload], facts)).unwrap();
    test_log.finish(commit).unwrap()
}

/// A folder of mail written by several starts and workers, with some messages removed.
struct Corpus {
    data: TempDir,
    /// The workers of the last start, if its segments are still open.
    live: Option<TestLog>,
    end_ns: u64,
}

fn corpus(dice: &mut Dice) -> Corpus {
    let data = tempdir().unwrap();
    let (mut now_ns, mut live, mut ids) = (BEGIN_NS, None, Vec::new());
    for _ in 0..1 + dice.roll(3) {
        close(live.take());
        let mut test_log = open(data.path(), small());
        let mut others: Vec<_> = (0..dice.roll(3)).map(|_| worker(&test_log)).collect();
        for _ in 0..dice.roll(250) {
            if let Some(i) = dice.roll(2 * others.len()).checked_sub(others.len())
                && let Some(other) = others.get_mut(i)
            {
                std::mem::swap(&mut test_log.writer, &mut other.0);
                std::mem::swap(&mut test_log.woken, &mut other.1);
            }
            // Some at the same moment.
            now_ns += dice.roll(3) as u64 * SECOND;
            let (payload, dots) = mail(dice);
            let facts = SlotFacts { received_at_ns: UnixNs::new(now_ns), dots, ..facts(&payload) };
            ids.push(append(&mut test_log, &envelope(dice), &payload, &facts));
        }
        others.into_iter().for_each(|(writer, _)| writer.close());
        live = Some(test_log);
        // A clock that was set back.
        now_ns -= dice.roll(30) as u64 * SECOND;
    }
    if dice.roll(2) == 0 {
        close(live.take());
    }
    ids.retain(|_| dice.roll(10) == 0);
    log::remove(data.path(), &Remove::Ids(ids)).unwrap();
    if dice.roll(4) == 0 {
        let until = after(dice.roll(100) as u64);
        log::remove(data.path(), &Remove::Until(until)).unwrap();
    }
    Corpus { data, live, end_ns: now_ns + 60 * SECOND }
}

fn close(test_log: Option<TestLog>) {
    if let Some(test_log) = test_log {
        test_log.close();
    }
}

/// Indexes everything, then damages part of the index.
fn index_in_part(data: &Path, dice: &mut Dice) {
    reindex(data, Some(Some("X-Number")), 2, &ReindexProgress::default()).unwrap();
    for number in sidecar::numbers(data).unwrap() {
        let path = sidecar::path(data, number);
        let mut bytes = fs::read(&path).unwrap();
        let place = dice.roll(bytes.len());
        match dice.roll(8) {
            0 => fs::remove_file(&path).unwrap(),
            1 => bytes.truncate(place),
            2 => bytes[place] ^= 1 << dice.roll(8),
            3 => bytes[8] = 9,
            4 => bytes.extend_from_slice(b"BLCK, and no more"),
            _ => {}
        }
        if path.exists() {
            fs::write(&path, bytes).unwrap();
        }
    }
}

fn term(dice: &mut Dice) -> String {
    let (word, address) = (one(dice, WORDS), one(dice, ADDRESSES));
    let n = dice.roll(120);
    match dice.roll(19) {
        16 => format!("listener:{}", one(dice, &["mx-a", "127.0.0.1:25", "mx"])),
        17 => format!("deviation:{}", one(dice, &["dots", "blanks"])),
        18 => "has:deviation".into(),
        0 => format!("subject:{word}"),
        1 => format!("body:{word}"),
        2 => format!("\"{word} {}\"", one(dice, WORDS)),
        3 => format!("{}*", word.chars().take(2).collect::<String>()),
        4 => format!("from:{}", if address.is_empty() { "<>" } else { address }),
        5 if !address.is_empty() => format!("to:{address}"),
        6 => format!("to:{}", one(dice, &["example.org", "@example.org", "com"])),
        7 => format!("cc:{}", one(dice, &["example.org", "example.com"])),
        8 => format!("header:X-Campaign={word}"),
        9 => format!("message-id:<{}@example.org>", dice.roll(50)),
        10 => "has:attachment".into(),
        11 => format!("filename:{}", one(dice, &[".pdf", "3", "4*"])),
        12 => format!("size:{}{}", one(dice, &[">", "<", "<="]), 1 + dice.roll(600)),
        13 => format!("after:\"2026-11-21T05:{:02}:{:02}Z\"", 46 + n / 60, n % 60),
        14 => one(dice, &["run:first", "run:second"]).into(),
        _ => word.into(),
    }
}

fn query(dice: &mut Dice, depth: usize) -> String {
    let inner = |dice: &mut Dice| query(dice, depth - 1);
    match dice.roll(if depth == 0 { 4 } else { 8 }) {
        0 => format!("-{}", term(dice)),
        1..=4 => term(dice),
        5 => format!("{} {}", inner(dice), inner(dice)),
        6 => format!("({} OR {})", inner(dice), inner(dice)),
        _ => format!("-({})", inner(dice)),
    }
}

/// Returns the time that many seconds after the beginning of the corpus.
fn after(seconds: u64) -> UnixNs {
    UnixNs::new(BEGIN_NS + seconds * SECOND)
}

fn runs() -> Runs {
    let run = |name: &str, from: u64, until: Option<u64>| Run {
        name: name.into(),
        from_ns: after(from),
        until_ns: until.map(after),
    };
    Runs { runs: vec![run("first", 0, Some(60)), run("second", 100, None)], marks: Vec::new() }
}

fn parse(text: &str) -> Query {
    Query::parse(text, after(0), &runs()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The slow reference: reads every message, the newest first.
fn scan(folder: &Folder, query: &Query, span: Span) -> Vec<MessageId> {
    let (mut reading, mut scratch) = (MessageReader::new(None), Scratch::default());
    let mut found = Vec::new();
    for slot in folder.listing(Span::default()).unwrap().backward(0).unwrap().flatten() {
        let ns = slot.facts().received_at_ns;
        let is_inside =
            span.since_ns.is_none_or(|s| s <= ns) && span.until_ns.is_none_or(|u| ns < u);
        let segment = folder.segment(slot.id().segment).unwrap();
        let Ok(read) = reading.read(&segment, &slot) else { continue };
        if is_inside && query.matches_message(&read.entry.columns, &read.message, &mut scratch) {
            found.push(slot.id());
        }
    }
    found
}

fn all() -> SearchOptions {
    SearchOptions { limit: None, span: Span::default(), indexed_only: false, threads: 2 }
}

fn find(folder: &Folder, query: &str, wanted: SearchOptions) -> SearchResult {
    search(folder, &parse(query), wanted, &SearchProgress::default())
}

fn ids(found: &SearchResult) -> Vec<MessageId> {
    found.hits.iter().map(|hit| hit.id).collect()
}

/// Every kind of query returns what reading every message returns.
fn assert_equal_to_scan(folder: &Folder, text: &str, span: Span) {
    let query = parse(text);
    let expected = scan(folder, &query, span);
    for (limit, threads) in [(None, 2), (None, 1), (Some(1), 2), (Some(3), 3), (Some(0), 1)] {
        let wanted = SearchOptions { limit, span, threads, ..all() };
        let found = search(folder, &query, wanted, &SearchProgress::default());
        let n = limit.map_or(expected.len(), |n| expected.len().min(n as usize));
        let context = format!("{text}, {span:?}, {wanted:?}");
        assert_eq!(ids(&found), expected[..n], "{context}");
        assert!(found.left_out.is_nothing(), "{context}: {:?}", found.left_out);
        match limit {
            None | Some(0) => assert_eq!(found.matches, expected.len() as u64, "{context}"),
            Some(_) => assert!(found.matches >= n as u64, "{context}"),
        }
    }
    let indexed = search(
        folder,
        &query,
        SearchOptions { indexed_only: true, span, ..all() },
        &SearchProgress::default(),
    );
    let found = ids(&indexed);
    let mut rest = expected.iter();
    assert!(found.iter().all(|id| rest.any(|e| e == id)), "{text}: a subset, in the same order");
    let missing = (expected.len() - found.len()) as u64;
    assert!(missing <= indexed.left_out.not_indexed, "{text}: {:?}", indexed.left_out);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_reading_every_message_finds(seed: u64) {
        let mut dice = Dice::new(seed);
        let corpus = corpus(&mut dice);
        index_in_part(corpus.data.path(), &mut dice);
        let folder = Folder::open(corpus.data.path()).unwrap();
        for _ in 0..20 {
            let seconds = (corpus.end_ns - BEGIN_NS) / SECOND;
            let mut bound = |one_in| {
                let at = after(dice.roll(seconds as usize) as u64);
                (dice.roll(one_in) == 0).then_some(at)
            };
            let span = Span { since_ns: bound(4), until_ns: bound(4) };
            assert_equal_to_scan(&folder, &query(&mut dice, 2), span);
        }
        assert_equal_to_scan(&folder, "", Span::default());
        close(corpus.live);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lookup_returns_what_reading_the_message_returns_or_nothing(seed: u64) {
        let mut dice = Dice::new(seed);
        let corpus = corpus(&mut dice);
        for is_spoiled in [false, true] {
            if is_spoiled {
                index_in_part(corpus.data.path(), &mut dice);
            } else {
                reindex(corpus.data.path(), Some(Some("X-Number")), 2, &ReindexProgress::default()).unwrap();
            }
            let folder = Folder::open(corpus.data.path()).unwrap();
            let (mut lookup, mut reading) =
                (Lookup::new(corpus.data.path()), MessageReader::new(Some("X-Number")));
            let listing = folder.listing(Span::default()).unwrap();
            for slot in listing.forward(0).unwrap().chain(listing.backward(0).unwrap()).flatten() {
                let segment = folder.segment(slot.id().segment).unwrap();
                let read = IndexedContent::from(&reading.read(&segment, &slot).unwrap().entry);
                let found = match lookup.content(segment.identity(), slot.id().slot) {
                    Err(IndexFault::Unusable(_)) if is_spoiled => None,
                    found => found.unwrap(),
                };
                prop_assert!(found.is_some() || is_spoiled, "{} is indexed", slot.id());
                prop_assert!(found.is_none_or(|output| *output == read), "{}: {found:?}", slot.id());
            }
        }
        close(corpus.live);
    }
}

#[test]
fn a_lookup_tells_a_sidecar_that_cannot_be_read_from_none() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..1, plain);
    let folder = Folder::open(data.path()).unwrap();
    let slot =
        folder.listing(Span::default()).unwrap().forward(0).unwrap().next().unwrap().unwrap();
    let segment = folder.segment(slot.id().segment).unwrap();
    let mut lookup = Lookup::new(data.path());
    assert!(lookup.content(segment.identity(), slot.id().slot).unwrap().is_none());
    // A folder can be opened, but not read.
    let sidecar = data.path().join(format!("index/{:08}.idx", slot.id().segment));
    fs::create_dir_all(&sidecar).unwrap();
    let mut lookup = Lookup::new(data.path());
    let error = lookup.content(segment.identity(), slot.id().slot).unwrap_err();
    assert!(matches!(error, IndexFault::Io(_)), "{error}");
}

/// Appends the messages `range`, one second apart, made by `of`.
fn fill(data: &Path, range: std::ops::Range<u64>, of: impl Fn(u64) -> (Vec<u8>, SlotFacts)) {
    let mut test_log = open(data, small());
    let mut dice = Dice::new(1);
    for n in range {
        let (payload, facts) = of(n);
        let facts = SlotFacts { received_at_ns: after(n), ..facts };
        append(&mut test_log, &envelope(&mut dice), &payload, &facts);
    }
    test_log.close();
}

fn plain(n: u64) -> (Vec<u8>, SlotFacts) {
    let payload = format!("Subject: number {n}\r\n\r\nhello {}\r\n", "x".repeat(400)).into_bytes();
    let facts = facts(&payload);
    (payload, facts)
}

fn index(data: &Path) {
    reindex(data, None, 2, &ReindexProgress::default()).unwrap();
}

#[test]
fn a_search_is_bounded_by_a_span_or_a_run() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..300, plain);
    for is_indexed in [false, true] {
        if is_indexed {
            index(data.path());
        }
        let folder = Folder::open(data.path()).unwrap();
        let count = |query: &str, since: Option<u64>, until: Option<u64>| {
            let span = Span { since_ns: since.map(after), until_ns: until.map(after) };
            assert_equal_to_scan(&folder, query, span);
            find(&folder, query, SearchOptions { span, ..all() }).matches
        };
        assert_eq!(count("hello", None, None), 300);
        assert_eq!(count("hello", Some(10), Some(20)), 10);
        assert_eq!(count("hello", Some(299), None), 1);
        assert_eq!(count("hello", Some(300), None), 0);
        assert_eq!(count("hello", Some(20), Some(20)), 0);
        assert_eq!(count("run:first", None, None), 60);
        assert_eq!(count("run:first", Some(50), None), 10);
        assert_eq!(count("-run:first -run:second", None, None), 40);
    }
}

#[test]
fn messages_outside_the_span_do_not_count_as_left_out() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..20, plain);
    let folder = Folder::open(data.path()).unwrap();
    let span = Span { since_ns: Some(after(15)), until_ns: None };
    let found = find(&folder, "hello", SearchOptions { span, indexed_only: true, ..all() });
    assert_eq!((found.matches, found.left_out.not_indexed), (0, 5));
}

#[test]
fn partly_stored_messages_are_reported() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..30, |n| {
        let mode = [StoredPart::Full, StoredPart::Headers, StoredPart::Envelope][n as usize % 3];
        let (payload, facts) = plain(n);
        let stored = match mode {
            StoredPart::Full => payload,
            StoredPart::Headers => format!("Subject: number {n}\r\n\r\n").into_bytes(),
            StoredPart::Envelope => Vec::new(),
        };
        (stored, SlotFacts { mode, ..facts })
    });
    for is_indexed in [false, true] {
        if is_indexed {
            index(data.path());
        }
        let folder = Folder::open(data.path()).unwrap();
        let found = find(&folder, "hello", all());
        assert_eq!((found.matches, found.left_out.partial), (10, 20));
        let found = find(&folder, "-hello", all());
        assert_eq!((found.matches, found.left_out.partial), (20, 20));
        // Headers are present even where only they are kept.
        let found = find(&folder, "header:subject=number", all());
        assert_eq!((found.matches, found.left_out.partial), (20, 10));
        // The columns are enough for these.
        let found = find(&folder, "subject:number", all());
        assert_eq!((found.matches, found.left_out.partial), (20, 0));
        let found = find(&folder, "size:>400", all());
        assert_eq!((found.matches, found.left_out.partial), (30, 0));
    }
}

/// Flips a bit in the record, or the slot, of the message at that position of the listing.
fn damage(data: &Path, place: u64, is_slot: bool) -> MessageId {
    let folder = Folder::open(data).unwrap();
    let listing = folder.listing(Span::default()).unwrap();
    let slot = listing.forward(place).unwrap().next().unwrap().unwrap();
    let path = data.join(format!("segments/{:08}.seg", slot.id().segment));
    let mut bytes = fs::read(&path).unwrap();
    // Slots grow down from the end of the file, 64 octets each.
    let at = if is_slot {
        bytes.len() - 64 * (slot.id().slot as usize + 1) + 20
    } else {
        slot.record_offset() as usize + slot.envelope_bytes() as usize
    };
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    slot.id()
}

#[test]
fn a_damaged_message_is_reported_and_others_are_found() {
    for is_slot in [false, true] {
        let data = tempdir().unwrap();
        fill(data.path(), 0..50, plain);
        let damaged = damage(data.path(), 30, is_slot);
        for is_indexed in [false, true] {
            if is_indexed {
                index(data.path());
            }
            let folder = Folder::open(data.path()).unwrap();
            let found = find(&folder, "body:hello", all());
            assert_eq!((found.matches, found.left_out.unreadable), (49, 1), "{is_indexed}");
            assert!(!ids(&found).contains(&damaged));
            assert!(!found.left_out.is_nothing());
        }
    }
}

#[test]
fn a_damaged_index_is_reported_and_only_slows_the_search() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..50, plain);
    index(data.path());
    let folder = Folder::open(data.path()).unwrap();
    assert_eq!(find(&folder, "subject:number", all()).unusable.len(), 0);
    for (at, number) in [(8, 1), (200, 1)] {
        index(data.path());
        let path = sidecar::path(data.path(), number);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let found = find(&folder, "subject:number", all());
        let [index] = &found.unusable[..] else { panic!("{:?}", found.unusable) };
        assert_eq!((found.matches, index.segment), (50, number), "octet {at}");
        assert!(!matches!(index.fault, IndexFault::Io(_)), "{:?}", index.fault);
        assert!(found.left_out.is_nothing());
    }
}

#[test]
fn an_index_that_cannot_be_read_is_reported_and_only_slows_the_search() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..50, plain);
    index(data.path());
    let folder = Folder::open(data.path()).unwrap();
    let path = sidecar::path(data.path(), 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(find(&folder, "subject:number", all()).unusable.len(), 0, "a missing one is usual");
    // A folder can't be read as a file, not even by root.
    fs::create_dir(&path).unwrap();
    let found = find(&folder, "subject:number", all());
    let [index] = &found.unusable[..] else { panic!("{:?}", found.unusable) };
    assert_eq!((found.matches, index.segment), (50, 1));
    assert!(matches!(index.fault, IndexFault::Io(_)), "{:?}", index.fault);
    assert!(found.left_out.is_nothing());
}

/// A damaged message has no time in the index, so it implies nothing about earlier messages.
#[test]
fn a_damaged_message_ends_no_search() {
    let data = tempdir().unwrap();
    let settings = log::LogSettings { segment_bytes_first: 256 << 10, ..small() };
    let mut test_log = open(data.path(), settings);
    let mut other = worker(&test_log);
    let mut dice = Dice::new(1);
    // Two workers; one has the oldest and the newest message, so its segment is searched first.
    for n in 0..=400 {
        let subject = if n == 0 {
            "old"
        } else if n == 10 {
            "new"
        } else {
            "none"
        };
        let payload = format!("Subject: {subject}\r\n\r\n").into_bytes();
        let facts = SlotFacts { received_at_ns: after(0).saturating_add_ns(n), ..facts(&payload) };
        append(&mut test_log, &envelope(&mut dice), &payload, &facts);
        if n == 0 || n == 399 {
            std::mem::swap(&mut test_log.writer, &mut other.0);
            std::mem::swap(&mut test_log.woken, &mut other.1);
        }
    }
    other.0.close();
    test_log.close();
    for place in 140..148 {
        damage(data.path(), place, false);
    }
    index(data.path());
    let folder = Folder::open(data.path()).unwrap();
    let wanted = SearchOptions { limit: Some(1), threads: 1, ..all() };
    let newest = find(&folder, "subject:new OR subject:old", wanted);
    let expected = find(&folder, "subject:new", all());
    assert_eq!(ids(&newest), ids(&expected));
}

#[test]
fn a_stopped_search_is_reported_as_incomplete() {
    let data = tempdir().unwrap();
    fill(data.path(), 0..2000, plain);
    let folder = Folder::open(data.path()).unwrap();
    let progress = SearchProgress::default();
    progress.stop.store(true, Ordering::Relaxed);
    let found = search(&folder, &parse("body:hello"), all(), &progress);
    assert!(found.left_out.stopped && !found.left_out.is_nothing());
    assert!(found.matches < 2000);
}
