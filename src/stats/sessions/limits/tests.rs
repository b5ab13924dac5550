//! Limits against a model that looks at every connection for each figure.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;

use super::super::batch::encode;
use super::super::second::{SessionHint, SessionKey, SessionSecond, SessionSeconds};
use super::super::spread::{Distribution, ValueCounts};
use super::*;

const SECOND_US: u64 = 1_000_000;
const WINDOWS_S: [u64; 2] = [1, 4];

/// One connection as a test wants it.
#[derive(Debug, Clone)]
struct Connection {
    folder: usize,
    client: u8,
    began_us: u64,
    ended_us: u64,
    /// Recipients of the messages accepted in a second, counted from the first.
    messages: Vec<(u64, u32)>,
}

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let times = (100 * SECOND_US..110 * SECOND_US, 0..5 * SECOND_US);
    let messages = proptest::collection::vec((0_u64..6, 1_u32..4), 0..6);
    let one =
        (0..2_usize, 0..3_u8, times, messages).prop_map(|(folder, client, times, seconds)| {
            let (began_us, ended_us) = (times.0, times.0 + times.1);
            let (first, last) = (began_us / SECOND_US, ended_us / SECOND_US);
            let inside = seconds.into_iter().map(|(n, to)| ((first + n).min(last), to));
            let mut messages: Vec<_> = inside.collect();
            messages.sort_unstable();
            Connection { folder, client, began_us, ended_us, messages }
        });
    proptest::collection::vec(one, 0..25)
}

fn address(client: u8) -> Option<IpAddr> {
    (client > 0).then(|| [192, 0, 2, client].into())
}

/// Writes what two workers recorded of these connections in each second.
fn write(folders: &[tempfile::TempDir], connections: &[Connection]) {
    let mut seconds: BTreeMap<(usize, u64, usize), SessionSeconds> = BTreeMap::new();
    for (id, it) in connections.iter().enumerate() {
        let key = SessionKey { id: id as u64, client: address(it.client) };
        let mut record = |second: u64| {
            let of = seconds.entry((it.folder, second, id % 2));
            let of = of.or_insert_with(SessionSeconds::new);
            let mut hint = of.hint(id as u64);
            of.of(&mut hint, key).unwrap();
            hint
        };
        let hints: Vec<_> = [it.began_us / SECOND_US, it.ended_us / SECOND_US]
            .into_iter()
            .chain(it.messages.iter().map(|(second, _)| *second))
            .map(|second| (second, record(second)))
            .collect();
        let mut of = |n: usize| {
            let (second, mut hint) = hints[n];
            let seconds = seconds.get_mut(&(it.folder, second, id % 2)).unwrap();
            *seconds.of(&mut hint, key).unwrap() = {
                let mut session = *seconds.of(&mut hint, key).unwrap();
                match n {
                    0 => session.begin(it.began_us % SECOND_US),
                    1 => session.end(it.ended_us % SECOND_US),
                    _ => session.message(it.messages[n - 2].1),
                }
                session
            };
        };
        (0..hints.len()).for_each(&mut of);
    }
    for (folder, dir) in folders.iter().enumerate() {
        let stats = dir.path().join("stats");
        std::fs::create_dir(&stats).unwrap();
        let mut octets = Vec::new();
        for ((_, second, _), sessions) in seconds.iter().filter(|((of, ..), _)| *of == folder) {
            encode(*second, sessions.as_slice(), &mut octets);
        }
        std::fs::write(stats.join("00000001-19700101T00.sessions"), octets).unwrap();
    }
}

/// Returns the maximum number of these connections that were open at once in the span. A connection
/// that ended when another one began was not open with it.
fn peak(connections: &[&Connection], span_us: &Range<u64>) -> u64 {
    let open_at = |us: u64| {
        let is_open = |it: &&&Connection| it.began_us <= us && us < it.ended_us;
        connections.iter().filter(is_open).count() as u64
    };
    // One that begins and ends in a round is open with those that were open before.
    let with_a_short_one = |us: u64| {
        let is_open = |it: &&&Connection| it.began_us < us && us < it.ended_us;
        connections.iter().filter(is_open).count() as u64 + 1
    };
    let inside = connections.iter().filter(|it| span_us.contains(&it.began_us));
    let peak = |it: &&Connection| {
        if it.began_us == it.ended_us {
            with_a_short_one(it.began_us)
        } else {
            open_at(it.began_us)
        }
    };
    inside.map(peak).chain([open_at(span_us.start)]).max().unwrap_or(0)
}

fn sums(by_second: &BTreeMap<u64, u64>, length_s: u64) -> Distribution {
    let mut numbers = ValueCounts::default();
    for end in by_second.keys() {
        let inside = by_second.range((end + 1).saturating_sub(length_s)..=*end);
        numbers.add(inside.map(|(_, n)| n).sum(), 1);
    }
    numbers.spread()
}

fn check_client(connections: &[&Connection], span: Seconds, found: &ClientLimits) {
    let span_us = span.start * SECOND_US..span.end * SECOND_US;
    let second_of = |us: u64| us / SECOND_US;
    let began: Vec<_> =
        connections.iter().filter(|it| second_of(it.began_us) < span.end).copied().collect();
    let seen: Vec<_> =
        began.iter().filter(|it| second_of(it.ended_us) >= span.start).copied().collect();
    assert_eq!(found.connections, seen.len() as u64);
    let is_before = |it: &&&Connection| second_of(it.began_us) < span.start;
    assert_eq!(found.began_before, seen.iter().filter(is_before).count() as u64);
    let is_open = |it: &&&Connection| second_of(it.ended_us) >= span.end;
    assert_eq!(found.open_at_end, seen.iter().filter(is_open).count() as u64);
    assert_eq!((found.without_beginning, found.cut_off), (0, 0));

    let inside = |it: &Connection| -> Vec<(u64, u32)> {
        it.messages.iter().filter(|(second, _)| span.contains(*second)).copied().collect()
    };
    let messages: Vec<_> = connections.iter().flat_map(|it| inside(it)).collect();
    assert_eq!(found.messages, messages.len() as u64);
    assert_eq!(found.recipients, messages.iter().map(|(_, n)| u64::from(*n)).sum::<u64>());
    let most = messages.iter().map(|(_, n)| u64::from(*n)).max();
    assert_eq!(found.recipients_max, most.unwrap_or(0));
    assert_eq!(found.open_at_once.max, peak(&began, &span_us));

    let mut per_connection = ValueCounts::default();
    for it in &seen {
        let so_far = it.messages.iter().filter(|(second, _)| *second < span.end);
        per_connection.add(so_far.count() as u64, 1);
    }
    assert_eq!(found.messages_per_connection, per_connection.spread());
    let (mut accepted, mut opened) = (BTreeMap::new(), BTreeMap::new());
    for (second, _) in messages {
        *accepted.entry(second).or_insert(0) += 1;
    }
    for it in began.iter().filter(|it| second_of(it.began_us) >= span.start) {
        *opened.entry(second_of(it.began_us)).or_insert(0) += 1;
    }
    for (n, length_s) in WINDOWS_S.into_iter().enumerate() {
        assert_eq!(found.messages_per_window[n], sums(&accepted, length_s));
        assert_eq!(found.opened_per_window[n], sums(&opened, length_s));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn limits_are_what_a_look_at_every_connection_finds(
        connections in connections(),
        begin in 95_u64..108,
        length in 1_u64..20,
    ) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write(&folders, &connections);
        let span = Seconds { start: begin, end: begin + length };
        let paths = folders.each_ref().map(|dir| dir.path().to_owned());
        let spans = [span, span];
        let found = SenderLimits::read(&paths, &spans, &WINDOWS_S, None).unwrap();
        assert_eq!(found.damage, []);
        check_client(&connections.iter().collect::<Vec<_>>(), span, &found.all);
        let clients: BTreeSet<u8> = connections.iter().map(|it| it.client).collect();
        for client in clients {
            let of = connections.iter().filter(|it| it.client == client).collect::<Vec<_>>();
            let address = address(client);
            let limits = found.clients.iter().find(|(found, _)| *found == address);
            let nothing = ClientLimits {
                messages_per_window: vec![Distribution::default(); 2],
                opened_per_window: vec![Distribution::default(); 2],
                ..ClientLimits::default()
            };
            check_client(&of, span, limits.map_or(&nothing, |(_, limits)| limits));
        }
    }
}

/// Writes the file of one start of sinkd.
fn batch_of(dir: &tempfile::TempDir, start: u32, seconds: &[(u64, SessionSeconds)]) {
    let stats = dir.path().join("stats");
    std::fs::create_dir_all(&stats).unwrap();
    let mut octets = Vec::new();
    for (second, sessions) in seconds {
        encode(*second, sessions.as_slice(), &mut octets);
    }
    std::fs::write(stats.join(format!("{start:08}-19700101T00.sessions")), octets).unwrap();
}

fn one(id: u64, change: impl FnOnce(&mut SessionSecond)) -> SessionSeconds {
    let mut seconds = SessionSeconds::new();
    change(seconds.of(&mut SessionHint::default(), SessionKey { id, client: address(1) }).unwrap());
    seconds
}

fn limits(dir: &tempfile::TempDir, span: Seconds) -> ClientLimits {
    SenderLimits::read(&[dir.path().to_owned()], &[span], &WINDOWS_S, None).unwrap().all
}

#[test]
fn connections_of_a_sinkd_that_was_killed_ended_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let begun = |id| one(id, |it| (it.begin(0), it.message(1)).1);
    batch_of(&dir, 1, &[(100, begun(7)), (103, one(7, |it| it.message(1)))]);
    let alone = limits(&dir, Seconds::ALL);
    assert_eq!((alone.open_at_end, alone.cut_off), (1, 0));
    batch_of(&dir, 2, &[(120, begun(1 << 48))]);
    let all = limits(&dir, Seconds::ALL);
    assert_eq!((all.connections, all.cut_off, all.open_at_end), (2, 1, 1));
    assert_eq!((all.open_at_once.max, all.messages_per_connection.max), (1, 2));
    let later = limits(&dir, Seconds { start: 110, end: 130 });
    assert_eq!((later.connections, later.began_before, later.open_at_once.max), (1, 0, 1));
}

#[test]
fn a_connection_whose_beginning_is_not_on_record_counts_from_when_it_did_anything() {
    let dir = tempfile::tempdir().unwrap();
    batch_of(&dir, 1, &[(100, one(7, |it| it.message(1))), (101, one(7, |it| it.end(5)))]);
    let found = limits(&dir, Seconds::ALL);
    assert_eq!((found.connections, found.without_beginning, found.open_at_end), (1, 1, 0));
    assert_eq!(found.messages_per_connection.max, 1);
}

#[test]
fn a_message_accepted_after_its_connection_ended_is_its_clients() {
    let dir = tempfile::tempdir().unwrap();
    let orphan = |it: &mut SessionSecond| {
        it.record_ended_before();
        it.message(1);
    };
    let session = one(7, |it| (it.begin(0), it.end(9)).1);
    batch_of(&dir, 1, &[(100, session), (101, one(7, orphan))]);
    let found = limits(&dir, Seconds::ALL);
    assert_eq!((found.connections, found.messages, found.without_message), (1, 1, 1));
    assert_eq!((found.open_at_end, found.messages_per_connection.max), (0, 0));
}

/// XCLIENT named client 2 in the second after the connection of client 1 began.
#[test]
fn a_connection_whose_client_was_named_later_is_that_clients() {
    let dir = tempfile::tempdir().unwrap();
    let named = |id: u64, change: fn(&mut SessionSecond)| {
        let mut seconds = SessionSeconds::new();
        let key = SessionKey { id, client: address(2) };
        change(seconds.of(&mut SessionHint::default(), key).unwrap());
        seconds
    };
    let records = [
        (100, one(7, |it| it.begin(5))),
        (101, named(7, |_| ())),
        (102, named(7, |it| it.message(1))),
        (103, named(7, |it| it.end(5))),
    ];
    batch_of(&dir, 1, &records);
    let from = |start| Seconds { start, end: 110 };
    for (span, began_before) in [(Seconds::ALL, 0), (from(101), 1), (from(102), 1)] {
        let folders = [dir.path().to_owned()];
        let found = SenderLimits::read(&folders, &[span], &WINDOWS_S, None).unwrap();
        let clients: Vec<_> = found.clients.iter().map(|(client, _)| *client).collect();
        assert_eq!(clients, [address(2)], "the one that named it had no connection");
        for of in [&found.all, &found.clients[0].1] {
            assert_eq!(
                (of.connections, of.began_before, of.without_beginning),
                (1, began_before, 0)
            );
            assert_eq!((of.messages, of.without_message, of.open_at_end), (1, 0, 0));
            assert_eq!((of.open_at_once.max, of.messages_per_connection.max), (1, 1));
        }
    }
}

#[test]
fn a_span_that_ends_before_it_begins_has_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    batch_of(&dir, 1, &[(100, one(7, |it| it.begin(0)))]);
    let backwards = Seconds { start: 120, end: 110 };
    assert_eq!(limits(&dir, backwards).messages, 0);
}

#[test]
fn an_idle_connection_is_open_for_as_long_as_the_records_go() {
    let dir = tempfile::tempdir().unwrap();
    batch_of(&dir, 1, &[(100, one(7, |it| it.begin(0))), (200, one(7, |it| it.end(0)))]);
    let idle = limits(&dir, Seconds { start: 120, end: 130 });
    let expected = Distribution { mean: 1.0, p50: 1, p90: 1, p99: 1, max: 1 };
    assert_eq!((idle.connections, idle.open_at_once), (1, expected));
    // The figures are the same while sinkd runs and nothing more is recorded.
    let dir = tempfile::tempdir().unwrap();
    batch_of(&dir, 1, &[(100, one(7, |it| it.begin(0)))]);
    let (folders, spans) = ([dir.path().to_owned()], [Seconds { start: 120, ..Seconds::ALL }]);
    let live = SenderLimits::read(&folders, &spans, &[1], Some(140)).unwrap();
    assert_eq!(live.all.open_at_once, expected);
}
