//! Targets that limit messages per connection, on the simulated clock: MAILMAX (RFC 9422), and 421.
use sinkd::sender::{Connections, FailureKind, SendingSettings};
use sinkd::smtp::client::{Phase, ReplyCode};

use super::sending::{Fate, MS, messages, send, settings};

const PLAIN: &str = "250 ok\r\n";
const THREE: &str = "250-ok\r\n250 LIMITS MAILMAX=3\r\n";
const FIVE: &str = "250-ok\r\n250 LIMITS MAILMAX=5\r\n";

/// The outcome of ten messages sent over one connection at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    accepted: u64,
    deferred: u64,
    /// Messages sent again over another connection.
    resent: u64,
    connections: u64,
    /// Replies of 421 to MAIL.
    turned_away: u64,
}

/// A target, our own limit of messages per connection, and the expected outcome.
type Row = (fn(u64) -> Fate, Option<u64>, Expected);

fn expected(accepted: u64, deferred: u64, resent: u64, connections: u64) -> Expected {
    Expected { accepted, deferred, resent, connections, turned_away: resent + deferred }
}

#[test]
fn a_message_limit_of_the_target_costs_connections_but_no_messages() {
    let table: [Row; 9] = [
        (|_| Fate::Limited(PLAIN, u64::MAX), None, expected(10, 0, 0, 1)),
        // The limit is announced and respected: no message is turned away.
        (|_| Fate::Limited(THREE, u64::MAX), None, expected(10, 0, 0, 4)),
        (|_| Fate::Limited(THREE, 3), None, expected(10, 0, 0, 4)),
        (|_| Fate::Limited(FIVE, 5), None, expected(10, 0, 0, 2)),
        // Our own limit is lower, or higher.
        (|_| Fate::Limited(THREE, 3), Some(2), expected(10, 0, 0, 5)),
        (|_| Fate::Limited(THREE, 3), Some(4), expected(10, 0, 0, 4)),
        // The limit is not announced, or not correctly: each connection except the last turns one
        // message away.
        (|_| Fate::Limited(PLAIN, 3), None, expected(10, 0, 3, 4)),
        (|_| Fate::Limited(FIVE, 2), None, expected(10, 0, 4, 5)),
        // Refused at the first MAIL of a connection: the target defers, not its limit.
        (|_| Fate::Limited(PLAIN, 0), None, expected(0, 10, 0, 10)),
    ];
    for (number, (fate, per_connection, expected)) in table.into_iter().enumerate() {
        for every_ns in [0, 10 * MS] {
            let settings = SendingSettings { per_connection, ..settings(1) };
            let (_, ended, mails) = send(settings, messages(10, every_ns), fate);
            let tally = &ended.tally;
            let turned_away =
                tally.failures.get(&FailureKind::Reply(Phase::Mail, ReplyCode::CLOSING));
            let found = Expected {
                accepted: tally.accepted,
                deferred: tally.deferred,
                resent: tally.resent,
                connections: tally.connections,
                turned_away: turned_away.map_or(0, |failure| failure.count),
            };
            assert_eq!((ended.error, found), (None, expected), "row {number}, {every_ns} ns");
            // A message that is sent again is sent at once, and does not count as late.
            let last_ns = if tally.deferred == 0 { 9 * every_ns } else { *mails.last().unwrap() };
            assert_eq!(mails.last(), Some(&last_ns), "row {number}: {mails:?}");
        }
    }
}

#[test]
fn connections_that_reach_the_limit_of_the_target_are_replaced_in_parallel() {
    for connections in [2, 5] {
        let settings = SendingSettings {
            connections: Connections::Kept(connections),
            ..settings(connections)
        };
        let fate = |_| Fate::Limited(PLAIN, 3);
        let (_, ended, _) = send(settings, messages(300, 0), fate);
        let tally = &ended.tally;
        assert_eq!((ended.error, tally.accepted, tally.deferred), (None, 300, 0));
        assert!(tally.connections >= 100, "{tally:?}");
    }
}
