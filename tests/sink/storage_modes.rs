//! How much of a message is stored, end to end: sizes are correct and counts exact in every mode.
use crate::common;

use std::path::Path;

use common::{Client, Sink, id_of, sinkctl};
use tempfile::tempdir;

const RULES: [&str; 8] = [
    "--store-rule",
    "headers.test=headers",
    "--store-rule",
    "envelope.test=envelope",
    "--store-rule",
    "none.test=none",
    "--store-rule",
    "*.many.test=envelope/10",
];

/// Headers with a stuffed dot and a line that a careless parser takes for the empty one, then
/// `body` octets that contain stuffed dots, too.
fn mail(body: usize) -> Vec<u8> {
    let mut mail = b"Subject: x\r\n..dot: 1\r\n \r\n\r\n".to_vec();
    while mail.len() < body {
        mail.extend_from_slice(
            b"..0123456789012345678901234567890123456789012345678901234567890\r\n",
        );
    }
    mail
}

const HEADERS: &[u8] = b"Subject: x\r\n.dot: 1\r\n \r\n\r\n";
const HEADERS_BY_BDAT: &[u8] = b"Subject: x\r\n..dot: 1\r\n \r\n\r\n";

fn deliver(client: &mut Client, to: &[&str], framing: &str, wire: &[u8]) -> (u16, Vec<String>) {
    let mut packet = String::from("MAIL FROM:<a@example.org>\r\n");
    to.iter().for_each(|to| packet.push_str(&format!("RCPT TO:<{to}>\r\n")));
    let replies = 1 + to.len();
    let mut packet = packet.into_bytes();
    let mut more = 0;
    match framing {
        "DATA" => {
            packet.extend_from_slice(b"DATA\r\n");
            more = 1;
            packet.extend_from_slice(wire);
            packet.extend_from_slice(b".\r\n");
        }
        "DATA in round trips" => {
            client.send(&packet);
            (0..replies).for_each(|_| assert_eq!(client.reply().0, 250));
            assert_eq!(client.command("DATA"), 354);
            client.send(&[wire, b".\r\n"].concat());
            return client.reply();
        }
        "BDAT" => {
            packet.extend_from_slice(format!("BDAT {} LAST\r\n", wire.len()).as_bytes());
            packet.extend_from_slice(wire);
        }
        _ => {
            // The first split is inside the empty line.
            let (head, rest) = wire.split_at(25.min(wire.len()));
            for chunk in [head, rest] {
                packet.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
                packet.extend_from_slice(chunk);
            }
            packet.extend_from_slice(b"BDAT 0 LAST\r\n");
            more = 2;
        }
    }
    client.send(&packet);
    (0..replies + more).for_each(|_| assert!(matches!(client.reply().0, 250 | 354)));
    client.reply()
}

fn entry(data: &Path, id: &str) -> serde_json::Value {
    let (out, errors, code) = sinkctl(data, &["show", id, "--json"]);
    assert_eq!(code, 0, "{errors}");
    serde_json::from_slice(&out).unwrap()
}

fn counts(data: &Path) -> (u64, u64, u64) {
    let (out, errors, code) = sinkctl(data, &["count", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let counts: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let number = |key: &str| counts[key].as_u64().unwrap();
    (number("messages"), number("stored"), number("only_counted"))
}

#[test]
fn each_mode_stores_its_part_in_every_size_and_framing() {
    let data = tempdir().unwrap();
    let mut args = vec!["--workers", "1"];
    args.extend(RULES);
    let sink = Sink::start(data.path(), &args);
    let mut client = sink.connect();
    client.ehlo();
    let mut counted = 0;
    let mut stored = 0;
    for size in [0, 2000, 30_000, 65_530, 100_000, 5_000_000] {
        let wire = mail(size);
        for framing in ["DATA", "DATA in round trips", "BDAT", "BDAT in three"] {
            let by_data = framing.starts_with("DATA");
            let message = if by_data { unstuffed(&wire) } else { wire.clone() };
            let headers = if by_data { HEADERS } else { HEADERS_BY_BDAT };
            for (mode, kept) in
                [("full", &message[..]), ("headers", headers), ("envelope", b""), ("none", b"")]
            {
                let what = format!("{mode} {size} {framing}");
                let to = format!("b@{mode}.test");
                let (code, lines) = deliver(&mut client, &[&to], framing, &wire);
                assert_eq!(code, 250, "{what}: {lines:?}");
                if mode == "none" {
                    assert_eq!(lines[0], "2.0.0 Ok (counted, not stored)");
                    counted += 1;
                    continue;
                }
                stored += 1;
                let id = id_of(&lines[0]);
                let entry = entry(data.path(), &id);
                assert_eq!(entry["store"], mode, "{what}");
                assert_eq!(entry["size"], message.len(), "{what}");
                let (out, errors, code) = sinkctl(data.path(), &["cat", &id]);
                let is_whole = kept.len() == message.len();
                assert_eq!(code, i32::from(!is_whole), "{what}: {errors}");
                assert!(if is_whole { out == message } else { out.is_empty() }, "{what}");
                let (out, errors, code) = sinkctl(data.path(), &["cat", "--stored", &id]);
                assert_eq!((code, errors.as_str()), (0, ""));
                assert!(out == kept, "{what}: {} octets are stored", out.len());
            }
        }
    }
    assert_eq!(counts(data.path()), (stored + counted, stored, counted));
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
    assert!(sink.stop().success());
    assert_eq!(counts(data.path()), (stored + counted, stored, counted));
}

fn unstuffed(wire: &[u8]) -> Vec<u8> {
    sinkd::smtp::data::unstuff(wire).into_owned()
}

#[test]
fn unterminated_headers_are_stored_whatever_their_size() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--workers", "1", "--store", "headers"]);
    let mut client = sink.connect();
    client.ehlo();
    for size in [10, 5000, 70_000, 300_000, 6_000_000] {
        let line = b"X-Header: 0123456789012345678901234567890123456789012345678901234567\r\n";
        let mut wire = line.repeat(size / line.len() + 1);
        let headers = wire.len();
        for body in [&b""[..], b"\r\n", b"\r\nbody\r\n"] {
            wire.truncate(headers);
            wire.extend_from_slice(body);
            let kept = headers + body.len().min(2);
            for framing in ["DATA", "DATA in round trips", "BDAT", "BDAT in three"] {
                let (code, lines) = deliver(&mut client, &["b@example.org"], framing, &wire);
                assert_eq!(code, 250, "{lines:?}");
                let id = id_of(&lines[0]);
                let (out, _, _) = sinkctl(data.path(), &["cat", "--stored", &id]);
                assert!(out == wire[..kept], "{size} {framing}: {} octets", out.len());
                let (_, errors, code) = sinkctl(data.path(), &["cat", &id]);
                assert_eq!(code, i32::from(kept < wire.len()), "{errors}");
                assert_eq!(entry(data.path(), &id)["size"], wire.len());
            }
        }
    }
    let (_, errors, code) = sinkctl(data.path(), &["verify"]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn the_mode_that_stores_most_wins() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &RULES);
    let mut client = sink.connect();
    client.ehlo();
    for (to, store) in [
        (&["a@none.test", "b@envelope.test"][..], "envelope"),
        (&["a@headers.test", "b@none.test", "c@ENVELOPE.test"], "headers"),
        (&["a@none.test", "postmaster"], "full"),
    ] {
        let (_, lines) = deliver(&mut client, to, "DATA", &mail(1000));
        assert_eq!(entry(data.path(), &id_of(&lines[0]))["store"], store, "{to:?}");
    }
}

#[test]
fn the_size_limit_holds_in_every_mode_and_nothing_is_counted() {
    let data = tempdir().unwrap();
    let mut args = vec!["--message-bytes-max", "100000", "--workers", "1"];
    args.extend(RULES);
    let sink = Sink::start(data.path(), &args);
    let mut client = sink.connect();
    client.ehlo();
    for domain in ["full", "headers", "envelope", "none", "x.many"] {
        let to = format!("b@{domain}.test");
        for (size, expected) in [(100_000, 250), (100_001, 552), (400_000, 552)] {
            for framing in ["DATA", "BDAT"] {
                assert_eq!(client.command("MAIL FROM:<a@example.org>"), 250);
                assert_eq!(client.command(&format!("RCPT TO:<{to}>")), 250);
                let wire = [&b"a: b\r\n\r\n"[..], &vec![b'x'; size - 10], b"\r\n"].concat();
                if framing == "DATA" {
                    assert_eq!(client.command("DATA"), 354);
                    client.send(&[&wire, &b".\r\n"[..]].concat());
                } else {
                    client.send(format!("BDAT {size} LAST\r\n").as_bytes());
                    client.send(&wire);
                }
                assert_eq!(client.reply().0, expected, "{domain} {size} {framing}");
            }
        }
    }
    assert_eq!(counts(data.path()), (10, 8, 2));
}

#[test]
fn counts_are_exact_after_a_kill() {
    let data = tempdir().unwrap();
    let mut sent = (0, 0);
    for round in 0..3 {
        let mut args = vec!["--workers", "2"];
        args.extend(RULES);
        let sink = Sink::start(data.path(), &args);
        let mut clients = [sink.connect(), sink.connect()];
        clients.iter_mut().for_each(Client::ehlo);
        for n in 0..50 {
            // The first round only counts messages, in segments without a slot.
            let stored = round > 0 && n % 5 == 0;
            let to = if stored { "b@envelope.test" } else { "b@none.test" };
            let (code, _) = deliver(&mut clients[n % 2], &[to], "DATA", &mail(3000));
            assert_eq!(code, 250);
            if stored { sent.0 += 1 } else { sent.1 += 1 }
        }
        sink.kill();
        assert_eq!(counts(data.path()), (sent.0 + sent.1, sent.0, sent.1));
    }
    assert!(Sink::start(data.path(), &[]).stop().success());
    assert_eq!(counts(data.path()), (sent.0 + sent.1, sent.0, sent.1));
    let (out, _, _) = sinkctl(data.path(), &["count"]);
    assert_eq!(out, b"150\n");
    let (out, _, _) = sinkctl(data.path(), &["ls"]);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("and 130 messages that were only counted\n"), "{text}");
    let (out, errors, _) = sinkctl(data.path(), &["ls", "--json"]);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 20);
    assert!(errors.contains("and 130 messages that were only counted"), "{errors}");
}

#[test]
fn sampling_one_in_n_is_exact_across_workers() {
    let data = tempdir().unwrap();
    let mut args = vec!["--workers", "2"];
    args.extend(RULES);
    let sink = Sink::start(data.path(), &args);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = sink.connect();
                client.ehlo();
                for _ in 0..50 {
                    let (code, _) = deliver(&mut client, &["b@x.many.test"], "DATA", &mail(500));
                    assert_eq!(code, 250);
                }
            });
        }
    });
    let (out, _, _) = sinkctl(data.path(), &["ls", "--json"]);
    let text = String::from_utf8(out).unwrap();
    let of = |mode: &str| text.matches(&format!("\"store\":\"{mode}\"")).count();
    assert_eq!((of("full"), of("envelope")), (20, 180));
}

#[test]
fn exactly_the_requested_number_of_messages_is_counted() {
    let data = tempdir().unwrap();
    let args = ["--store", "none", "--stop-after-messages", "3", "--workers", "2"];
    let sink = Sink::start(data.path(), &args);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..3 {
        let (code, _) = deliver(&mut client, &["b@example.org"], "DATA", &mail(500));
        assert_eq!(code, 250);
    }
    assert!(sink.wait().success());
    assert_eq!(counts(data.path()), (3, 0, 3));
}

#[test]
fn bad_rules_are_refused_with_the_expected_form() {
    let check = |args: &[&str]| {
        let output =
            common::program(env!("CARGO_BIN_EXE_sinkd")).arg("--check").args(args).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (rule, expected) in [
        ("none", "expected a domain and its mode"),
        ("=none", "expected a domain and its mode"),
        ("a b=none", "expected a domain: "),
        ("*=all", "expected a mode: 'full'"),
        ("*=none/1", "expected a whole number from 2 to 4294967295"),
    ] {
        let error = check(&["--store-rule", rule]);
        assert!(error.contains(&format!("--store-rule: {expected}")), "{error}");
        assert!(error.ends_with(&format!("found '{rule}'\n")), "{error}");
    }
    let error = check(&["--store-rule", "*=none", "--store-rule", "*=full"]);
    assert!(error.contains("expected at most one rule per domain"), "{error}");
    assert!(check(&["--store", "some"]).contains("'full', 'headers', 'envelope' or 'none'"));
}
