//! Every timeout of the sink, to the resolution of the timer wheel, on a simulated clock.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sinkd::config::{Config, StatisticsSettings};
use sinkd::log::reader::Folder;
use sinkd::log::{Durability, LogSettings, MessageId};
use sinkd::server::StopStage;
use sinkd::server::by_hand::{Beginning, QueuedClient, SocketEvent};
use sinkd::smtp::client::Protocol;
use sinkd::smtp::envelope::Client;
use sinkd::smtp::limits::SessionLimits;
use sinkd::stats::Counter;

use super::one::{One, config};

/// How late the timer wheel can be, ms.
const TICK_MS: u64 = 50;

#[track_caller]
fn check_time(found_ms: u64, expected_ms: u64) {
    let range = expected_ms..=expected_ms + TICK_MS;
    assert!(range.contains(&found_ms), "after {found_ms} ms, expected {expected_ms}");
}

#[test]
fn a_client_silent_between_commands_is_closed_after_the_full_command_timeout() {
    for output in ["", "EHLO c.example\r\n", "NOO"] {
        let mut one = One::new();
        one.now_ms += 12_345;
        one.round();
        let began_ms = if output.is_empty() { 1 } else { one.now_ms };
        one.send(output);
        let (_, replies) = one.wait_for_reply();
        check_time(one.now_ms - began_ms, 30_000);
        assert!(replies.starts_with("421 4.4.2 "), "{replies}");
        // The client can continue to send for a while; then the socket is closed.
        assert_eq!(one.sink().open_connections(), 1);
        let (ms, _) = one.wait_for_reply();
        check_time(ms, 2_000);
        one.stop();
    }
}

#[test]
fn a_client_silent_within_a_payload_is_closed_after_the_data_timeout() {
    for begin in ["DATA\r\n", "BDAT 100\r\n"] {
        let mut one = One::new();
        one.send("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
        one.send(begin);
        one.now_ms += 19_000;
        one.send("half a line");
        let (ms, replies) = one.wait_for_reply();
        check_time(ms, 20_000);
        assert!(replies.starts_with("421 4.4.2 "), "{replies}");
        one.stop();
    }
}

/// The timeout restarts each time octets arrive, however often.
#[test]
fn a_client_that_sends_a_little_now_and_then_is_not_closed() {
    let mut one = One::new();
    for _ in 0..40 {
        one.now_ms += 29_990;
        assert!(one.send("NOOP\r\n").starts_with("250 "));
    }
    let (ms, _) = one.wait_for_reply();
    check_time(ms, 30_000);
    one.stop();
}

#[test]
fn a_payload_without_room_is_refused_after_the_room_timeout() {
    let mut one = One::new();
    one.fill();
    let (ms, replies) = one.wait_for_reply();
    check_time(ms, 2_000);
    assert!(replies.contains("452 "), "{replies}");
    one.stop();
}

#[test]
fn a_transaction_in_progress_gets_its_grace_period_at_a_stop() {
    let mut one = One::new();
    one.send("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n");
    one.sink().stop(StopStage::Graceful);
    one.round();
    assert_eq!(one.received(), "", "a transaction is under way");
    let (ms, replies) = one.wait_for_reply();
    assert!((3_000..=3_001).contains(&ms), "after {ms} ms");
    assert!(replies.starts_with("421 4.3.2 "), "{replies}");
    assert!(one.sink().is_done());
    one.stop();
}

#[test]
fn a_transaction_begun_in_the_read_that_resets_another_has_its_own_timeout() {
    let mut one = One::new();
    one.send("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
    one.now_ms += 5_000;
    let replies = one.send("RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
    assert!(replies.contains("354 "), "{replies}");
    one.now_ms += 2_000;
    let replies = one.send("x\r\n.\r\n");
    let id: MessageId = replies.split(' ').find_map(|word| word.trim().parse().ok()).unwrap();
    let folder = Folder::open(one.folder.path()).unwrap();
    let (_, slot) = folder.find(id).unwrap();
    check_time(u64::from(slot.facts().transaction_us) / 1000, 2_000);
    one.stop();
}

/// Connects a second client, which waits to be accepted: no descriptors are left.
fn short_of_descriptors() -> (One, UnixStream) {
    let mut one = One::new();
    one.sink().set_descriptors(Some(0));
    let (client, theirs) = UnixStream::pair().unwrap();
    for socket in [&client, &theirs] {
        socket.set_nonblocking(true).unwrap();
    }
    let client_2 = QueuedClient { number: 2, socket: theirs, client: Client::Unix };
    one.sink().queue(client_2, (Protocol::Smtp, Beginning::Greeting));
    one.round();
    assert!(one.sink().take_places().is_empty());
    assert_eq!(one.sink().wait_ms(), Some(100));
    (one, client)
}

#[test]
fn accepting_pauses_for_a_tenth_of_a_second_when_no_descriptors_are_left() {
    let (mut one, _client) = short_of_descriptors();
    one.sink().set_descriptors(Some(1));
    one.now_ms += 99;
    one.round();
    assert!(one.sink().take_places().is_empty());
    one.now_ms += 1;
    one.round();
    assert_eq!(one.sink().take_places().len(), 1);
    one.stop();
}

#[test]
fn accepting_resumes_at_once_when_a_connection_ends() {
    let (mut one, mut client) = short_of_descriptors();
    one.client.shutdown(std::net::Shutdown::Both).unwrap();
    let place = one.place;
    one.sink().ready(place, SocketEvent::Special);
    one.sink().round();
    assert_eq!(one.sink().wait_ms(), Some(0));
    one.round();
    assert_eq!(one.sink().take_places(), [(2, place)]);
    let mut greeting = [0; 4];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ");
    one.stop();
}

#[test]
fn a_client_waiting_for_a_descriptor_gets_421_at_a_stop() {
    let (mut one, mut client) = short_of_descriptors();
    one.sink().stop(StopStage::Graceful);
    one.round();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("421 4.3.2 "), "{text}");
    one.stop();
}

#[test]
fn a_wait_for_room_that_ends_in_452_is_counted_in_full() {
    let mut one = One::with(config(), LogSettings::default());
    one.fill();
    let mut waited_us = 0;
    for _ in 0..400 {
        one.now_ms += 50;
        one.round();
        one.sink().take_recorded(|second| waited_us += second.counter(Counter::StorageUs));
    }
    assert!(one.received().contains("452 "));
    check_time(waited_us / 1000, 2_000);
    one.stop();
}

#[test]
fn a_client_dismissed_while_it_waits_for_room_has_time_to_read_the_reply() {
    let mut config = Config { stats: StatisticsSettings::off(), ..config() };
    config.timeouts.storage_wait = Duration::from_secs(60);
    let mut one = One::with(config, LogSettings::default());
    one.fill();
    let (ms, replies) = one.wait_for_reply();
    check_time(ms, 20_000);
    assert!(replies.starts_with("421 4.4.2 "), "{replies}");
    // The client keeps sending meanwhile: closing at once would reset the connection.
    one.client.write_all(b"x").unwrap();
    let (ms, _) = one.wait_for_reply();
    check_time(ms, 2_000);
    one.stop();
}

#[test]
fn a_client_with_unread_replies_keeps_its_grace_period_at_a_stop() {
    let mut one = One::new();
    one.send("EHLO c.example\r\n");
    one.send_without_reading(&"NOOP\r\n".repeat(600));
    one.sink().stop(StopStage::Graceful);
    one.round();
    assert_eq!(one.sink().open_connections(), 1, "it may still read");
    let replies = one.receive_all();
    assert_eq!(replies.matches("250 2.0.0 ").count(), 600, "{replies}");
    assert!(replies.ends_with("\r\n") && replies.contains("421 4.3.2 "), "{replies}");
    one.stop();
}

#[test]
fn a_commit_completes_while_its_client_does_not_read_earlier_replies() {
    let durability = Durability::Message;
    let settings = LogSettings { durability, ..LogSettings::default() };
    let mut one = One::with(Config { stats: StatisticsSettings::off(), ..config() }, settings);
    one.send("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
    one.send_without_reading(&("NOOP\r\n".repeat(600) + "BDAT 3 LAST\r\nx\r\n"));
    assert!(one.sink().flush(usize::MAX) > 0, "the message waits for a flush");
    assert!(one.sink().take_wake(), "the flush wakes the worker");
    one.round();
    one.round();
    assert_eq!(one.sink().counted(|of| &of.messages), 1);
    assert!(one.receive_all().contains("250 2.0.0 Ok 1"), "the client gets the reply too");
    one.stop();
}

#[test]
fn a_message_that_is_too_large_is_refused_once_however_it_is_sent() {
    let limits = SessionLimits { message_bytes_max: 100, ..SessionLimits::default() };
    let config = Config { limits, stats: StatisticsSettings::off(), ..config() };
    let mut one = One::with(config, LogSettings::default());
    one.send("EHLO c.example\r\n");
    let open = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";
    let large = "x".repeat(150);
    let rest = "x".repeat(60);
    for (number, payload) in [
        format!("{open}DATA\r\n{large}\r\n.\r\n"),
        format!("{open}BDAT 150 LAST\r\n{large}"),
        format!("{open}BDAT 60\r\n{rest}BDAT 60 LAST\r\n{rest}"),
        format!("{open}BDAT 150\r\n{large}BDAT 0 LAST\r\n"),
    ]
    .iter()
    .enumerate()
    {
        let replies = one.send(payload);
        assert_eq!(replies.matches("552 5.3.4 ").count(), 1, "{replies}");
        let refused = one.sink().counted(|of| &of.refused);
        assert_eq!(refused, number as u64 + 1, "{payload}");
    }
    one.stop();
}

const HEADER: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4660 25\r\n";

#[test]
fn behind_a_proxy_no_greeting_precedes_the_header_and_a_missing_header_closes_after_5_s() {
    for output in ["", "PROXY TCP4 192.0", "\r\n\r\n"] {
        let mut one = One::proxied();
        one.now_ms += 2_345;
        assert_eq!(one.send(output), "", "{output:?}");
        let (_, replies) = one.wait_for_reply();
        check_time(one.now_ms - 1, 5_000);
        assert_eq!(replies, "", "it closes in silence");
        assert_eq!(one.sink().open_connections(), 0);
        one.stop();
    }
}

#[test]
fn after_the_proxy_header_the_usual_timeouts_apply() {
    let mut one = One::proxied();
    one.now_ms += 4_000;
    assert!(one.send(HEADER).starts_with("220 "));
    let (ms, replies) = one.wait_for_reply();
    check_time(ms, 30_000);
    assert!(replies.starts_with("421 4.4.2 "), "{replies}");
    one.wait_for_reply();
    one.stop();
}

#[test]
fn a_proxy_header_can_arrive_octet_by_octet_or_together_with_commands() {
    let dialogue = format!("{HEADER}EHLO c.example\r\nQUIT\r\n");
    let mut whole = One::proxied();
    whole.send(&dialogue);
    let (_, mut at_once) = whole.wait_for_reply();
    at_once = whole.received() + &at_once;
    let mut cut = One::proxied();
    let in_pieces: String =
        (0..dialogue.len()).map(|at| cut.send(&dialogue[at..=at])).collect::<String>();
    assert!(in_pieces.starts_with("220 "), "{in_pieces}");
    assert!(in_pieces.ends_with("221 2.0.0 Bye\r\n"), "{in_pieces}");
    assert!(in_pieces.ends_with(&at_once), "{at_once}");
    whole.stop();
    cut.stop();
}

#[test]
fn a_stop_silently_closes_connections_without_a_proxy_header_at_once() {
    for stage in [StopStage::Graceful, StopStage::AtOnce] {
        let mut one = One::proxied();
        one.send("PROXY TCP4");
        one.sink().stop(stage);
        one.round();
        assert_eq!((one.received().as_str(), one.sink().open_connections()), ("", 0));
        one.stop();
    }
}

#[test]
fn health_checks_count_as_sessions_only_if_they_send_mail_and_refused_headers_are_counted() {
    let check = "PROXY UNKNOWN\r\n";
    let mail = "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";
    for (output, expected) in [
        (check.to_owned() + "EHLO c\r\nQUIT\r\n", [0, 0, 1, 0]),
        (check.to_owned() + mail + "x\r\n.\r\nQUIT\r\n", [1, 0, 1, 0]),
        (HEADER.to_owned() + "QUIT\r\n", [1, 1, 0, 0]),
        ("EHLO c\r\n".to_owned(), [0, 0, 0, 1]),
        // The peer closes before its header, and in the middle of it.
        (String::new(), [0, 0, 1, 0]),
        ("PROXY TCP4".to_owned(), [0, 0, 0, 1]),
    ] {
        let mut one = One::proxied();
        for line in output.split_inclusive('\n') {
            one.send(line);
        }
        one.client.shutdown(std::net::Shutdown::Write).unwrap();
        one.send("");
        // Connections with unsent replies linger, so that no reset overtakes the replies.
        one.now_ms += 2_500;
        (0..2).for_each(|_| one.round());
        assert_eq!(one.sink().open_connections(), 0, "{output}");
        one.now_ms += 2_000;
        one.round();
        let mut found = [0; 4];
        let counters =
            [Counter::Connections, Counter::Proxied, Counter::HealthChecks, Counter::ProxyRefused];
        let mut closed = 0;
        one.sink().take_recorded(|second| {
            for (sum, counter) in found.iter_mut().zip(counters) {
                *sum += second.counter(counter);
            }
            closed += second.counter(Counter::Closed);
        });
        assert_eq!(found, expected, "{output}");
        assert_eq!(closed, expected[0], "every session that begins ends: {output}");
        let sessions = one.sink().counted(|of| &of.sessions);
        assert_eq!(sessions, expected[0], "{output}");
        one.stop();
    }
}

#[test]
fn a_proxy_header_that_arrives_as_a_stop_begins_makes_one_dismissed_session() {
    let mut one = One::proxied();
    one.sink().stop(StopStage::Graceful);
    let replies = one.send(HEADER);
    assert!(replies.starts_with("220 ") && replies.contains("421 4.3.2 "), "{replies}");
    one.client.shutdown(std::net::Shutdown::Write).unwrap();
    one.send("");
    one.now_ms += 2_500;
    (0..2).for_each(|_| one.round());
    let mut counts = (0, 0);
    one.now_ms += 2_000;
    one.round();
    one.sink().take_recorded(|second| {
        counts.0 += second.counter(Counter::Connections);
        counts.1 += second.counter(Counter::Closed);
    });
    assert_eq!(counts, (1, 1), "begun, and ended");
    one.stop();
}

/// Returns the values of these counters over all sessions so far, after the last one has ended.
fn counted<const N: usize>(one: &mut One, counters: [Counter; N]) -> [u64; N] {
    assert_eq!(one.sink().open_connections(), 0);
    one.now_ms += 2_000;
    one.round();
    let mut found = [0; N];
    one.sink().take_recorded(|second| {
        for (sum, counter) in found.iter_mut().zip(counters) {
            *sum += second.counter(counter);
        }
    });
    found
}

/// Ends the client's side, and lets lingering connections end.
fn hang_up(one: &mut One) {
    one.client.shutdown(std::net::Shutdown::Write).unwrap();
    one.send("");
    one.now_ms += 2_500;
    (0..2).for_each(|_| one.round());
}

const NAMING: [Counter; 4] =
    [Counter::Connections, Counter::Closed, Counter::Xclient, Counter::XclientRefused];

#[test]
fn xclient_split_anywhere_makes_the_same_session() {
    let dialogue = "EHLO a\r\nXCLIENT ADDR=192.0.2.7 PORT=25\r\nXCLIENT HELO=b\r\nEHLO c\r\n\
                    MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 1 LAST\r\nxQUIT\r\n";
    let mut whole = String::new();
    for cut in 0..dialogue.len() {
        let mut one = One::trusted();
        let mut replies = one.send(&dialogue[..cut]);
        replies += &one.send(&dialogue[cut..]);
        replies += &one.receive_all();
        assert!(replies.ends_with("221 2.0.0 Bye\r\n"), "cut at {cut}: {replies}");
        if cut == 0 {
            whole = replies;
            assert!(whole.contains("\r\n220 ") && whole.contains("\r\n550 "), "{whole}");
        } else {
            assert_eq!(replies, whole, "cut at {cut}");
        }
        hang_up(&mut one);
        assert_eq!(counted(&mut one, NAMING), [1, 1, 1, 1], "cut at {cut}");
        one.stop();
    }
}

/// The replies before XCLIENT find no room in the socket: XCLIENT is answered after they have been
/// sent, and no later command is executed before that.
#[test]
fn xclient_is_answered_once_the_client_reads_earlier_replies() {
    let mut one = One::trusted();
    let before = "NOOP\r\n".repeat(800);
    one.send_without_reading(&format!("{before}XCLIENT ADDR=192.0.2.7\r\nEHLO c\r\nNOOP\r\n"));
    let replies = one.receive_all();
    let (noops, rest) = replies.split_once("220 ").unwrap();
    assert_eq!(noops.lines().count(), 800);
    assert!(rest.contains("\r\n250 HELP\r\n250 2.0.0 Ok\r\n"), "{rest}");
    hang_up(&mut one);
    assert_eq!(counted(&mut one, NAMING), [1, 1, 1, 0]);
    one.stop();
}

#[test]
fn a_client_that_leaves_before_xclient_is_answered_leaves_nothing_behind() {
    let mut one = One::trusted();
    one.send_without_reading(&("NOOP\r\n".repeat(800) + "XCLIENT ADDR=192.0.2.7\r\nEHLO c\r\n"));
    one.client.shutdown(std::net::Shutdown::Both).unwrap();
    let place = one.place;
    one.sink().ready(place, SocketEvent::Special);
    (0..2).for_each(|_| one.round());
    assert_eq!(counted(&mut one, NAMING), [1, 1, 0, 0]);
    one.stop();
}

#[test]
fn a_stop_ends_a_session_that_xclient_began() {
    let mut one = One::trusted();
    one.send("XCLIENT ADDR=192.0.2.7\r\n");
    one.sink().stop(StopStage::Graceful);
    one.round();
    let replies = one.received();
    assert!(replies.starts_with("421 4.3.2 "), "{replies}");
    hang_up(&mut one);
    assert_eq!(counted(&mut one, NAMING), [1, 1, 1, 0]);
    one.stop();
    // The command arrives together with the stop: it is answered, and then the session ends.
    let mut one = One::trusted();
    one.sink().stop(StopStage::Graceful);
    let replies = one.send("XCLIENT ADDR=192.0.2.7\r\nEHLO c\r\n");
    assert!(replies.contains("421 4.3.2 "), "{replies}");
    hang_up(&mut one);
    let [connections, closed, ..] = counted(&mut one, NAMING);
    assert_eq!((connections, closed), (1, 1));
    one.stop();
}

/// The second in which the connection began is already recorded when XCLIENT arrives, so another
/// record names the client.
#[test]
fn a_client_named_in_a_later_second_is_recorded_from_then_on() {
    let mut one = One::trusted();
    let mut records = Vec::new();
    let mut take = |one: &mut One| {
        one.now_ms += 1_500;
        one.round();
        one.sink().take_recorded(|second| {
            let of = second.sessions().iter();
            records.extend(of.map(|it| (it.id, it.client(), it.began_us(), it.ended_us())));
        });
    };
    for command in ["EHLO a\r\n", "XCLIENT ADDR=192.0.2.7\r\n", "QUIT\r\n"] {
        one.send(command);
        take(&mut one);
    }
    hang_up(&mut one);
    take(&mut one);
    let named = Some([192, 0, 2, 7].into());
    assert_eq!(records.len(), 3, "{records:?}");
    assert!(records.iter().all(|it| it.0 == records[0].0), "one session: {records:?}");
    assert!(matches!(records[0], (_, None, Some(_), None)), "{records:?}");
    assert_eq!((records[1].1, records[1].2, records[1].3), (named, None, None));
    assert!(records[2].1 == named && records[2].2.is_none() && records[2].3.is_some());
    one.stop();
}

#[test]
fn after_xclient_the_command_timeout_applies() {
    let mut one = One::trusted();
    one.now_ms += 20_000;
    assert!(one.send("XCLIENT ADDR=192.0.2.7\r\n").starts_with("220 "));
    let (ms, replies) = one.wait_for_reply();
    check_time(ms, 30_000);
    assert!(replies.starts_with("421 4.4.2 "), "{replies}");
    one.stop();
}
