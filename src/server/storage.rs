//! How much of a message is stored: the choice for each transaction, and the payloads of which not
//! everything is kept.
//!
//! What is kept in full never comes here: it goes from the socket into the log (receive.rs).
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use memchr::memchr;

use crate::config::Config;
use crate::config::storage::{Rules, Store, StoreRule};
use crate::log::{Counted, NoRoom, StorageMode};
use crate::smtp::envelope;
use crate::smtp::session::Receipt;

use super::bench::{Bench, Input};
use super::commit::{give_up_if_too_large, no_room, refuse};
use super::conn::{Conn, Flow};
use super::consume::{Consumed, Next, end_of_chunk};
use super::transfer::Transfer;

/// Octets that a header section is expected to have: it is staged, whatever SIZE says.
const HEADERS_BYTES_EXPECTED: u64 = 4 << 10;

/// One for all workers; absent where everything is stored in full.
#[derive(Debug)]
pub(super) struct Storage {
    rules: Vec<Rule>,
    domains: Rules,
    /// For recipients that no rule names.
    otherwise: Store,
}

#[derive(Debug)]
struct Rule {
    store: Store,
    one_in: Option<u32>,
    /// Messages still to pass before one is kept in full; below 1: the next one is. All accesses
    /// pair with each other only, so relaxed does.
    to_pass: AtomicI64,
}

/// A message taken into the sampling of a rule; given back if it is not accepted after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Draw {
    rule: u32,
    is_kept: bool,
}

impl Storage {
    /// `None`: everything is stored in full.
    pub fn new(config: &Config) -> Option<Arc<Storage>> {
        let is_needed = config.store != Store::Full || !config.store_rules.is_empty();
        is_needed.then(|| {
            let rule = |rule: &StoreRule| Rule {
                store: rule.store,
                one_in: rule.one_in,
                to_pass: AtomicI64::new(0),
            };
            Arc::new(Storage {
                rules: config.store_rules.iter().map(rule).collect(),
                domains: Rules::new(&config.store_rules),
                otherwise: config.store,
            })
        })
    }

    /// The mode of a transaction: of its recipients' the one that keeps most; among equal ones that
    /// of the rule that keeps one message in N, of the smallest N.
    fn choose(&self, envelope: &[u8]) -> (Store, Option<Draw>) {
        let decoded = envelope::decode(envelope).expect("the session encodes what can be decoded");
        let mut best: Option<(Store, u32, Option<usize>)> = None;
        for recipient in decoded.recipients() {
            let rule = self.domains.find(recipient.path);
            let store = rule.map_or(self.otherwise, |rule| self.rules[rule].store);
            let one_in = rule.and_then(|rule| self.rules[rule].one_in).unwrap_or(u32::MAX);
            // More is kept by a higher mode, and by a lower N.
            let keeps = (store, u32::MAX - one_in, rule);
            if best.is_none_or(|best| (best.0, best.1) < (keeps.0, keeps.1)) {
                best = Some(keeps);
            }
            if store == Store::Full {
                break;
            }
        }
        let (store, _, rule) = best.unwrap_or((self.otherwise, 0, None));
        match rule.and_then(|rule| self.draw(rule)) {
            Some(draw) if draw.is_kept => (Store::Full, Some(draw)),
            draw => (store, draw),
        }
    }

    /// Takes a message into the sampling of `rule`: the first is kept, and then one in N.
    fn draw(&self, rule: usize) -> Option<Draw> {
        let Rule { one_in, to_pass, .. } = &self.rules[rule];
        let others = i64::from((*one_in)?) - 1;
        let next = |left: i64| if left < 1 { left + others } else { left - 1 };
        let before =
            to_pass.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(next(left)));
        let is_kept = before.is_ok_and(|left| left < 1);
        let rule = u32::try_from(rule).expect("rules are few");
        Some(Draw { rule, is_kept })
    }

    /// The message was not accepted: the sampling is as if it had never come.
    fn give_back(&self, draw: Draw) {
        let Rule { one_in, to_pass, .. } = &self.rules[draw.rule as usize];
        let others = i64::from(one_in.unwrap_or(1)) - 1;
        to_pass.fetch_add(if draw.is_kept { -others } else { 1 }, Ordering::Relaxed);
    }
}

/// The payload of a transaction begins: decides how much of it is stored.
pub(super) fn choose(conn: &Conn, bench: &Bench, transfer: &mut Transfer) {
    let Some(storage) = &bench.storage else { return };
    let (store, draw) = storage.choose(conn.session.envelope().as_bytes());
    (transfer.store, transfer.draw) = (store, draw);
    transfer.direct = store == Store::Full;
    if store != Store::Full {
        transfer.expected_bytes = HEADERS_BYTES_EXPECTED;
    }
}

/// The message of `transfer` is not accepted.
pub(super) fn undraw(transfer: &mut Transfer, bench: &Bench) {
    if let (Some(draw), Some(storage)) = (transfer.draw.take(), &bench.storage) {
        storage.give_back(draw);
    }
}

/// What the slot says; a message that is only counted has none.
pub(super) fn mode(store: Store) -> StorageMode {
    match store {
        Store::Full => StorageMode::Full,
        Store::Headers => StorageMode::Headers,
        Store::Envelope | Store::Nothing => StorageMode::Envelope,
    }
}

impl Receipt for Counted {
    fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"(counted, not stored)");
    }
}

/// Scanner for the end of the header section: the first empty line, CRLF CRLF, or CRLF alone at
/// the very beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Octets of CRLF CRLF that have been seen last.
    matched: u8,
}

impl Head {
    pub fn new() -> Head {
        // As if a line had ended before.
        Head { matched: 2 }
    }

    /// `Some(n)`: the header section ends after `n` octets of this piece.
    pub fn scan(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < piece.len() {
            if self.matched == 0 {
                at += memchr(b'\r', &piece[at..])?;
            }
            self.matched = match (self.matched, piece[at]) {
                (0 | 2, b'\r') | (1 | 3, b'\n') => self.matched + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            at += 1;
            if self.matched == 4 {
                return Some(at);
            }
        }
        None
    }
}

/// Does the next octet belong to the part of the payload that is stored?
fn is_wanted(transfer: &Transfer) -> bool {
    transfer.refusal.is_none() && transfer.store == Store::Headers && !transfer.head_ended
}

/// Mail data in the input, not all of which is kept.
pub(super) fn data(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    if is_wanted(transfer) {
        return header_data(conn, bench, input);
    }
    let found = transfer.end.scan(input.rest(), &mut transfer.dots);
    let octets = found.unwrap_or(input.rest().len());
    transfer.wire_bytes += octets as u64;
    let is_refused = transfer.refusal.is_some();
    input.consume(octets);
    match found {
        Some(_) if is_refused => return refuse(conn, bench),
        Some(_) => conn.flow = Flow::Commit,
        None => give_up_if_too_large(conn, bench),
    }
    Next::Again
}

fn header_data(conn: &mut Conn, bench: &mut Bench, input: &mut Input) -> Next {
    let transfer = conn.transfer.as_mut().expect("Flow::Data has a transfer");
    let before = (transfer.head, transfer.end, transfer.dots);
    let head = transfer.head.scan(input.rest());
    let part = &input.rest()[..head.unwrap_or(input.rest().len())];
    let found = transfer.end.scan(part, &mut transfer.dots);
    let part = &part[..found.unwrap_or(part.len())];
    let envelope = conn.session.envelope().as_bytes();
    let (stored, result) = transfer.store(envelope, part, &mut bench.pool, &mut bench.writer);
    let is_whole = stored == part.len();
    if !is_whole {
        // Only what was stored counts as seen; the rest is scanned again when there is room.
        (transfer.head, transfer.end, transfer.dots) = before;
        let again = transfer.head.scan(&part[..stored]).is_some()
            || transfer.end.scan(&part[..stored], &mut transfer.dots).is_some();
        assert!(!again, "the end lies in what was not stored");
    }
    transfer.wire_bytes += stored as u64;
    transfer.kept_bytes += stored as u64;
    transfer.kept_dots = transfer.dots;
    transfer.head_ended = is_whole && found.is_none() && head.is_some();
    input.consume(stored);
    match result {
        Err(why) => return no_room(conn, bench, why),
        Ok(()) if found.is_some() => conn.flow = Flow::Commit,
        Ok(()) => give_up_if_too_large(conn, bench),
    }
    Next::Again
}

/// Octets of a chunk in the input, not all of which is kept.
pub(super) fn chunk(
    conn: &mut Conn,
    bench: &mut Bench,
    input: &mut Input,
    left: u64,
    last: bool,
) -> Next {
    if left == 0 {
        return end_of_chunk(conn, bench, last);
    }
    if input.is_empty() {
        return Next::Stop(Consumed::All);
    }
    let transfer = conn.transfer.as_mut().expect("Flow::Chunk has a transfer");
    let octets = input.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut taken = octets;
    let mut result: Result<(), NoRoom> = Ok(());
    if is_wanted(transfer) {
        let before = transfer.head;
        let head = transfer.head.scan(&input.rest()[..octets]);
        let part = &input.rest()[..head.unwrap_or(octets)];
        let envelope = conn.session.envelope().as_bytes();
        (taken, result) = transfer.store(envelope, part, &mut bench.pool, &mut bench.writer);
        if taken < part.len() {
            transfer.head = before;
            let again = transfer.head.scan(&part[..taken]);
            assert!(again.is_none(), "the end lies in what was not stored");
        } else {
            transfer.head_ended = head.is_some();
        }
        transfer.kept_bytes += taken as u64;
    }
    transfer.wire_bytes += taken as u64;
    input.consume(taken);
    conn.flow = Flow::Chunk { left: left - taken as u64, last };
    match result {
        Ok(()) => Next::Again,
        Err(why) => no_room(conn, bench, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::storage::add_rule;
    use crate::smtp::envelope::{Tag, append_field};

    fn storage(store: Store, rules: &[&str]) -> Arc<Storage> {
        let mut config = Config { store, ..Config::default() };
        rules.iter().for_each(|rule| add_rule(&mut config.store_rules, rule).unwrap());
        Storage::new(&config).unwrap()
    }

    fn envelope(recipients: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_field(&mut bytes, Tag::Version, &[envelope::VERSION]);
        recipients.iter().for_each(|to| append_field(&mut bytes, Tag::ForwardPath, to.as_bytes()));
        bytes
    }

    #[test]
    fn full_without_rules_needs_no_storage() {
        assert!(Storage::new(&Config::default()).is_none());
    }

    #[test]
    fn the_mode_that_keeps_most_wins() {
        let rules = ["a.example=headers", "b.example=none", "*.example=envelope"];
        let storage = storage(Store::Nothing, &rules);
        for (to, store) in [
            (&["x@a.example"][..], Store::Headers),
            (&["x@b.example", "x@c.example"], Store::Envelope),
            (&["x@b.example", "x@a.example", "x@c.example"], Store::Headers),
            (&["x@b.example", "postmaster"], Store::Nothing),
        ] {
            assert_eq!(storage.choose(&envelope(to)), (store, None), "{to:?}");
        }
    }

    #[test]
    fn one_in_n_is_exact_over_threads() {
        let storage = storage(Store::Full, &["*=none/7"]);
        let envelope = envelope(&["x@a.example"]);
        let kept = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..700 {
                        if storage.choose(&envelope).0 == Store::Full {
                            kept.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(kept.into_inner(), 400);
    }

    #[test]
    fn what_was_not_accepted_was_never_drawn() {
        let storage = storage(Store::Full, &["*=none/3"]);
        let envelope = envelope(&["x@a.example"]);
        let draw = || storage.choose(&envelope);
        for _ in 0..5 {
            let (store, first) = draw();
            assert_eq!(store, Store::Full);
            storage.give_back(first.unwrap());
        }
        assert_eq!(draw().0, Store::Full);
        for _ in 0..5 {
            let (store, other) = draw();
            assert_eq!(store, Store::Nothing);
            storage.give_back(other.unwrap());
        }
        let stores: Vec<Store> = (0..3).map(|_| draw().0).collect();
        assert_eq!(stores, [Store::Nothing, Store::Nothing, Store::Full]);
    }

    #[test]
    fn only_the_rule_that_wins_is_drawn() {
        let storage = storage(Store::Nothing, &["a=headers", "b=headers/2", "c=none/2"]);
        let all = envelope(&["x@c", "x@a", "x@b"]);
        let stores: Vec<Store> = (0..4).map(|_| storage.choose(&all).0).collect();
        assert_eq!(stores, [Store::Full, Store::Headers, Store::Full, Store::Headers]);
        assert_eq!(storage.choose(&envelope(&["x@c"])).0, Store::Full, "c's counter stood still");
    }

    #[test]
    fn headers_end_with_the_first_empty_line_however_it_is_cut() {
        for (wire, end) in [
            (&b"A: b\r\n\r\nbody"[..], Some(8)),
            (b"\r\nbody", Some(2)),
            (b"", None),
            (b"A: b\r\n", None),
            (b"A: b\n\nbody", None),
            (b"A: b\r\n\r", None),
            (b"A: b\r\n\r\r\n\r\n", Some(11)),
            (b"\r\r\n\r\n", Some(5)),
            (b"A\r\n \r\n\r\n\r\n", Some(8)),
        ] {
            for piece_bytes in 1..=wire.len().max(1) {
                let (mut head, mut before, mut found) = (Head::new(), 0, None);
                for piece in wire.chunks(piece_bytes) {
                    found = head.scan(piece).map(|n| before + n);
                    before += piece.len();
                    if found.is_some() {
                        break;
                    }
                }
                assert_eq!(found, end, "{} by {piece_bytes}", wire.escape_ascii());
            }
        }
    }
}
