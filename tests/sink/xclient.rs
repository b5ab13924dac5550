//! XCLIENT: which clients may name another client, and how the sink treats the named client.
//!
//! For the command's syntax and its effect on a session, see `tests/dialogues/xclient*.txt`.
use crate::common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;

use common::{Client, Sink};
use serde_json::{Value, json};
use tempfile::tempdir;

const TRUSTED: [&str; 2] = ["--xclient-trusted", "127.0.0.0/8"];
/// An address of this machine that identifies the client that speaks for others.
const PROXY: [u8; 4] = [127, 0, 0, 2];

fn start(data: &Path, args: &[&str]) -> Sink {
    Sink::start(data, &[&TRUSTED, args].concat())
}

fn json(data: &Path, args: &[&str]) -> Vec<Value> {
    let (text, errors, code) = common::sinkctl(data, args);
    assert_eq!((errors.as_str(), code), ("", 0), "{args:?}");
    text.split(|octet| *octet == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn totals(data: &Path) -> Value {
    json(data, &["stats", "--json"]).remove(0)["totals"].take()
}

/// Returns the clients of `limits`, with their connections and messages.
fn clients(data: &Path) -> BTreeSet<(String, u64, u64)> {
    let limits = json(data, &["limits", "--json"]).remove(0);
    let of = |client: &Value| {
        let number = |key: &str| client[key].as_u64().unwrap();
        let name = client["client"].as_str().unwrap().to_owned();
        (name, number("connections"), number("messages"))
    };
    limits["clients"].as_array().unwrap().iter().map(of).collect()
}

/// Sends a message on behalf of the client at `address`; returns the code of the reply.
fn speak_for(client: &mut Client, address: &str) -> u16 {
    client.command(&format!("XCLIENT ADDR={address} PORT=4660"))
}

fn quit(mut client: Client) {
    assert_eq!(client.command("QUIT"), 221);
    client.rest();
}

#[test]
fn only_clients_of_trusted_networks_are_offered_xclient_and_may_use_it() {
    let data = tempdir().unwrap();
    let sink = Sink::start(data.path(), &["--xclient-trusted", "127.0.0.2/31"]);
    for (from, is_trusted) in [([127, 0, 0, 1], false), (PROXY, true), ([127, 0, 0, 4], false)] {
        let mut client = sink.connect_from(from, 0);
        client.send(b"EHLO proxy.example\r\n");
        let (_, lines) = client.reply();
        let is_offered = lines.iter().any(|line| line.starts_with("XCLIENT "));
        assert_eq!(is_offered, is_trusted, "{from:?}");
        let expected = if is_trusted { 220 } else { 550 };
        assert_eq!(speak_for(&mut client, "192.0.2.7"), expected, "{from:?}");
        assert_eq!(speak_for(&mut client, "192.0.2.8"), 550, "{from:?}");
        quit(client);
    }
    assert!(sink.stop().success());
    let totals = totals(data.path());
    assert_eq!((&totals["xclient"], &totals["xclient_refused"]), (&json!(1), &json!(5)));
    assert_eq!(totals["connections"], 3);
}

#[test]
fn the_named_client_is_the_client_everywhere_and_the_peer_is_kept() {
    let (data, transcripts) = (tempdir().unwrap(), tempdir().unwrap());
    let sink = start(data.path(), &["--transcript", transcripts.path().to_str().unwrap()]);
    for address in ["192.0.2.7", "IPV6:2001:db8::7", "IPV6:::ffff:192.0.2.7"] {
        let mut client = sink.connect_from(PROXY, 0);
        client.ehlo();
        assert_eq!(speak_for(&mut client, address), 220);
        client.ehlo();
        client.deliver("a@example.org", "b@example.org", b"Hello.\r\n");
        quit(client);
    }
    assert!(sink.stop().success());
    let rows = json(data.path(), &["ls", "--json"]);
    let found: BTreeSet<&str> = rows.iter().map(|row| row["client"].as_str().unwrap()).collect();
    assert_eq!(found, BTreeSet::from(["192.0.2.7:4660", "[2001:db8::7]:4660"]));
    for row in &rows {
        assert!(row["peer"].as_str().unwrap().starts_with("127.0.0.2:"), "{row}");
    }
    let totals = totals(data.path());
    assert_eq!((&totals["connections"], &totals["xclient"]), (&json!(3), &json!(3)));
    let expected = [("192.0.2.7".to_owned(), 2, 2), ("2001:db8::7".to_owned(), 1, 1)];
    assert_eq!(clients(data.path()), BTreeSet::from(expected));
    let entries = std::fs::read_dir(transcripts.path()).unwrap();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(path).unwrap();
        let is_named = text.contains("-- the client is 192.0.2.7:4660, ")
            || text.contains("-- the client is [2001:db8::7]:4660, ");
        assert!(is_named && text.contains(" of 127.0.0.2:"), "{text}");
    }
}

#[test]
fn a_client_that_submitted_mail_itself_has_a_session_of_its_own() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &[]);
    let mut client = sink.connect_from(PROXY, 0);
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"Own.\r\n");
    assert_eq!(speak_for(&mut client, "192.0.2.7"), 220);
    client.ehlo();
    client.deliver("a@example.org", "b@example.org", b"Of another.\r\n");
    quit(client);
    assert!(sink.stop().success());
    let rows = json(data.path(), &["ls", "--json"]);
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0]["session"], rows[1]["session"]);
    assert_eq!((&rows[0]["peer"], &rows[1]["client"]), (&Value::Null, &json!("192.0.2.7:4660")));
    let expected = [("127.0.0.2".to_owned(), 1, 1), ("192.0.2.7".to_owned(), 1, 1)];
    assert_eq!(clients(data.path()), BTreeSet::from(expected));
    let stats = json(data.path(), &["stats", "--json"]).remove(0);
    assert_eq!(stats["totals"]["connections"], 2);
    let per_session = &stats["metrics"]["messages_per_session"];
    assert_eq!((&per_session["count"], &per_session["max"]), (&json!(2), &json!(1)));
}

#[test]
fn the_limit_of_connections_per_client_follows_the_client() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--connections-per-client-max", "1"]);
    let mut first = sink.connect_from(PROXY, 0);
    assert_eq!(speak_for(&mut first, "192.0.2.1"), 220);
    // The first connection no longer counts for the address that connected.
    let mut second = sink.connect_from(PROXY, 0);
    second.send(b"XCLIENT ADDR=IPV6:::ffff:192.0.2.1\r\nNOOP\r\n");
    let (code, lines) = second.reply();
    assert_eq!((code, lines[0].contains("from your address")), (421, true), "{lines:?}");
    assert_eq!(second.rest(), b"", "no later command is answered");
    let mut third = sink.connect_from(PROXY, 0);
    assert_eq!(speak_for(&mut third, "192.0.2.2"), 220);
    // A client that names its own address counts once.
    let mut same = sink.connect_from(PROXY, 0);
    assert_eq!(speak_for(&mut same, "127.0.0.2"), 220);
    assert_eq!(speak_for(&mut same, "127.0.0.2"), 220);
    quit(first);
    quit(same);
    common::until_some("room for the client", || {
        let mut client = sink.connect_from(PROXY, 0);
        let code = speak_for(&mut client, "192.0.2.1");
        let _ = client.stream.write_all(b"QUIT\r\n");
        client.rest();
        (code == 220).then_some(())
    });
    drop(third);
    assert!(sink.stop().success());
    assert!(totals(data.path())["turned_away"].as_u64() >= Some(1));
}

#[test]
fn the_lists_of_the_listener_apply_to_the_named_client() {
    let data = tempdir().unwrap();
    let lists = ["--deny", "192.0.2.0/24", "--allow", "127.0.0.0/8", "--allow", "0.0.0.0/0"];
    for (denied, expected) in [("reply", "554 5.7.1 "), ("close", "")] {
        let sink = start(data.path(), &[&lists[..], &["--denied", denied]].concat());
        let mut client = sink.connect_from(PROXY, 0);
        client.ehlo();
        client.send(b"XCLIENT ADDR=192.0.2.7\r\nEHLO c\r\nMAIL FROM:<>\r\n");
        let received = String::from_utf8(client.rest()).unwrap();
        assert!(received.starts_with(expected) && received.lines().count() <= 1, "{received}");
        assert_eq!(received.is_empty(), expected.is_empty(), "{received}");
        let mut client = sink.connect_from(PROXY, 0);
        assert_eq!(speak_for(&mut client, "198.51.100.7"), 220);
        quit(client);
        assert!(sink.stop().success());
    }
    let totals = totals(data.path());
    assert_eq!((&totals["denied"], &totals["xclient"]), (&json!(2), &json!(2)));
    assert_eq!((&totals["connections"], &totals["turned_away"]), (&json!(4), &json!(0)));
}

#[test]
fn behind_a_proxy_the_client_in_the_header_must_be_trusted() {
    let data = tempdir().unwrap();
    let listen = ["--listen", "proxy:127.0.0.1:0", "--xclient-trusted", "192.0.2.0/24"];
    let sink = start(data.path(), &listen);
    for (header, expected) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4660 25", "220"),
        // The balancer is trusted, but does not send XCLIENT itself.
        ("PROXY TCP4 203.0.113.1 198.51.100.1 4660 25", "550"),
        ("PROXY UNKNOWN", "220"),
    ] {
        let mut stream = common::connect(sink.addresses[1]).unwrap();
        let dialogue = "EHLO a\r\nXCLIENT ADDR=198.51.100.9\r\nEHLO b\r\nMAIL FROM:<a@b.example>\r\n\
                        RCPT TO:<c@d.example>\r\nBDAT 1 LAST\r\nxQUIT\r\n";
        stream.write_all(format!("{header}\r\n{dialogue}").as_bytes()).unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        let after_hello = received.split("\r\n250 ").nth(1).unwrap().split("\r\n").nth(1).unwrap();
        assert!(after_hello.starts_with(expected), "{header}: {received}");
        assert!(received.ends_with("221 2.0.0 Bye\r\n"), "{received}");
    }
    assert!(sink.stop().success());
    let rows = json(data.path(), &["ls", "--json"]);
    let clients: Vec<&str> = rows.iter().map(|row| row["client"].as_str().unwrap()).collect();
    assert_eq!(clients.iter().filter(|client| **client == "198.51.100.9:0").count(), 2);
    assert!(clients.contains(&"203.0.113.1:4660"), "{clients:?}");
    for row in &rows {
        assert!(row["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "who connected: {row}");
    }
    let totals = totals(data.path());
    assert_eq!((&totals["connections"], &totals["xclient"]), (&json!(3), &json!(2)));
}

#[test]
fn a_listener_can_disable_xclient() {
    let (data, place) = (tempdir().unwrap(), tempdir().unwrap());
    let config = place.path().join("sink.toml");
    let listeners = "[[listener]]\naddress = \"127.0.0.1:0\"\nxclient = false\n\
                     [[listener]]\naddress = \"127.0.0.1:0\"\nxclient = true\n";
    std::fs::write(&config, listeners).unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(["--http", "off", "--log-level", "warn"]).args(TRUSTED);
    command.arg("--config").arg(&config).arg("--data").arg(data.path());
    let sink = Sink::spawn(&mut command);
    for (listener, expected) in [(0, 550), (1, 220)] {
        let mut client = sink.connect_from(PROXY, listener);
        client.send(b"EHLO proxy.example\r\n");
        let is_offered = client.reply().1.iter().any(|line| line.starts_with("XCLIENT "));
        assert_eq!(is_offered, expected == 220, "{listener}");
        assert_eq!(speak_for(&mut client, "192.0.2.7"), expected, "{listener}");
        quit(client);
    }
}

#[test]
fn clients_of_a_unix_socket_may_use_xclient_if_any_network_may() {
    for args in [&TRUSTED[..], &[]] {
        let place = tempdir().unwrap();
        let socket = place.path().join("s");
        let listen = format!("unix:{}", socket.display());
        let sink = Sink::start(place.path(), &[&["--listen", &listen], args].concat());
        let mut stream = common::connect_unix(&socket).unwrap();
        stream.write_all(b"XCLIENT ADDR=192.0.2.7\r\nQUIT\r\n").unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        let expected = if args.is_empty() { "550" } else { "220" };
        assert!(received.lines().nth(1).unwrap().starts_with(expected), "{received}");
        assert!(sink.stop().success());
    }
}
