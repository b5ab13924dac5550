//! Options per listener: names, greetings, extensions, limits.
use crate::common;

use std::fs;
use std::io::{BufRead, BufReader, Write};

use common::{Client, Sink};
use sinkd::log::reader::Folder;
use sinkd::smtp::envelope;
use sinkd::time::Span;
use tempfile::tempdir;

const LISTENERS: &str = r#"
[server]
name = "sink-a"
without = ["SMTPUTF8"]

[[listener]]
address = "127.0.0.1:0"
name = "plain"

[[listener]]
address = "127.0.0.1:0"
name = "old"
hostname = "old.example"
greeting = "old.example\n**0**"
extensions = ["8BITMIME", "SIZE", "DSN", "SMTPUTF8"]
without = ["DSN"]
message_bytes_max = "1K"
recipients_max = 200
messages_max = 1
"#;

const OPEN: [(&str, u16); 2] = [("MAIL FROM:<a@b.example>", 250), ("RCPT TO:<c@d.example>", 250)];

/// Returns the lines of the reply to EHLO.
fn ehlo(client: &mut Client) -> Vec<String> {
    client.send(b"EHLO c.example\r\n");
    client.reply().1
}

/// Returns the text of the reply to a message.
fn deliver(client: &mut Client) -> String {
    for (command, code) in OPEN {
        assert_eq!(client.command(command), code, "{command}");
    }
    assert_eq!(client.command("DATA"), 354);
    client.send(b"Hello.\r\n.\r\n");
    client.reply().1.remove(0)
}

#[test]
fn each_listener_follows_its_own_options() {
    let (data, file) = (tempdir().unwrap(), tempdir().unwrap());
    let file = file.path().join("sink.toml");
    fs::write(&file, LISTENERS).unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.arg("--config").arg(&file).args(["--http", "off", "--log-level", "warn"]);
    let sink = Sink::spawn(command.arg("--data").arg(data.path()));

    let mut plain = sink.connect_from([127, 0, 0, 1], 0);
    let lines = ehlo(&mut plain);
    assert_eq!(lines[0], "sinkd.localhost");
    assert!(lines.contains(&"CHUNKING".into()) && !lines.contains(&"SMTPUTF8".into()));
    assert_eq!(plain.command("MAIL FROM:<a@b.example> SMTPUTF8"), 555);
    assert!(deliver(&mut plain).ends_with(" sink-a"));

    let mut old = sink.connect_from([127, 0, 0, 1], 1);
    assert_eq!(ehlo(&mut old), ["old.example", "8BITMIME", "SIZE 1024"]);
    for (command, code) in [
        ("MAIL FROM:<a@b.example> RET=FULL", 555),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 555),
        ("MAIL FROM:<a@b.example> SIZE=1025", 552),
        ("MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME", 250),
        ("RCPT TO:<c@d.example> NOTIFY=NEVER", 555),
        ("RCPT TO:<c@d.example>", 250),
        ("RSET", 250),
    ] {
        assert_eq!(old.command(command), code, "{command}");
    }
    // A server without CHUNKING refuses a chunk as a whole, and never reads it as commands.
    for (command, code) in OPEN {
        assert_eq!(old.command(command), code, "{command}");
    }
    old.send(b"BDAT 6 LAST\r\nQUIT\r\n");
    assert_eq!(old.reply(), (502, vec!["Not implemented; see the EHLO reply for what is".into()]));
    assert_eq!(old.command("RSET"), 250);
    assert_eq!(old.command("HELP"), 214);
    // Without ENHANCEDSTATUSCODES, no reply has an enhanced code.
    let text = deliver(&mut old);
    assert!(text.starts_with("Ok ") && text.ends_with(" sink-a"), "{text}");
    assert_eq!(old.command("MAIL FROM:<a@b.example>"), 421, "one message a session");

    let folder = Folder::open(data.path()).unwrap();
    let mut names = Vec::new();
    for slot in folder.listing(Span::default()).unwrap().forward(0).unwrap().map(Result::unwrap) {
        let (segment, _) = folder.find(slot.id()).unwrap();
        let mut record = Vec::new();
        let (octets, _) = segment.record(&slot, &mut record).unwrap();
        let envelope = envelope::decode(octets).unwrap();
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        names.push((text(envelope.listener_name), text(envelope.sink_name)));
    }
    names.sort();
    assert_eq!(names, [("old".into(), "sink-a".into()), ("plain".into(), "sink-a".into())]);
}

#[test]
fn invalid_listeners_are_errors_with_their_position() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("sink.toml");
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    for (text, expected) in [
        (format!("{listener}name = \"a b\""), "sink.toml:3: listener.name: expected a name"),
        (format!("{listener}greeting = \"a\\r\\nb\""), "sink.toml:3: listener.greeting: expected"),
        (format!("{listener}without = [\"STARTTLS\"]"), "sink.toml:3: listener.without: expected"),
        (
            format!("{listener}proxy = \"yes\""),
            "sink.toml:3: listener.proxy: expected 'on' or 'off'",
        ),
        (format!("{listener}deny = [\"10.0.0.0/33\"]"), "sink.toml:3: listener.deny: expected a"),
        (format!("{listener}deny = [\"@nowhere\"]"), "nowhere: cannot be read"),
        (format!("{listener}deny = [\"::1\"]\nallow = [\"::1\"]"), "::1/128 is both allowed and"),
        (format!("{listener}messages_max = 0"), "sink.toml:3: listener.messages_max: expected"),
        (format!("{listener}nmae = 1"), "'listener.nmae'; did you mean 'listener.name'?"),
        (format!("{listener}xyzzy = 1"), "'listener.xyzzy'; a listener may have address, protocol"),
        (format!("{listener}greeting = \"none\""), "sink.toml:3: listener.greeting: expected"),
        (
            format!("{listener}name = \"a\"\n{listener}name = \"a\""),
            "listener name 'a': this name is",
        ),
        ("[server]\nproxy_trusted = \"10.0.0.0/33\"".into(), "sink.toml:2: server.proxy_trusted"),
    ] {
        fs::write(&file, &text).unwrap();
        let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
        let output = command.arg("--check").arg("--config").arg(&file).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn the_message_size_limit_of_a_listener_can_exceed_or_undercut_that_of_others() {
    let (data, place) = (tempdir().unwrap(), tempdir().unwrap());
    let own = |max: &str| {
        format!("[[listener]]\naddress = \"127.0.0.1:0\"\nmessage_bytes_max = \"{max}\"\n")
    };
    let config = place.path().join("sink.toml");
    let all = "[limits]\nmessage_bytes_max = \"10K\"\n";
    fs::write(&config, format!("{all}{}{}", own("4K"), own("40K"))).unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.arg("--config").arg(&config).args(["--http", "off", "--log-level", "warn"]);
    let sink = Sink::spawn(command.arg("--data").arg(data.path()));
    for (listener, max) in [(0, 4096), (1, 40960)] {
        for (bytes, code) in [(max, 250), (max + 1, 552)] {
            let content = [vec![b'x'; bytes - 2], b"\r\n".to_vec()].concat();
            let mut client = sink.connect_from([127, 0, 0, 1], listener);
            client.ehlo();
            client.begin("a@b.example", "c@d.example");
            client.send(&[&content[..], b".\r\n"].concat());
            assert_eq!(client.reply().0, code, "{bytes} by DATA, at most {max}");
            for (command, code) in OPEN {
                assert_eq!(client.command(command), code);
            }
            client.send(&[format!("BDAT {bytes} LAST\r\n").as_bytes(), &content].concat());
            assert_eq!(client.reply().0, code, "{bytes} by BDAT, at most {max}");
        }
    }
}

/// Returns the first line that a client from `from` receives; empty if the listener closes
/// silently.
fn first_line(sink: &Sink, from: [u8; 4], listener: usize, says: &str) -> String {
    let mut stream = common::connect_from(from, sink.addresses[listener]).unwrap();
    let _ = stream.write_all(says.as_bytes());
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

#[test]
fn the_lists_of_a_listener_decide_which_clients_it_serves() {
    let (data, place) = (tempdir().unwrap(), tempdir().unwrap());
    let file = place.path().join("denied");
    fs::write(&file, "# from a list\n127.0.0.4/31\n").unwrap();
    let own = "[[listener]]\naddress = \"127.0.0.1:0\"\nallow = [\"127.0.0.2\"]\ndenied = \"close\"\n\
               [[listener]]\naddress = \"127.0.0.1:0\"\nproxy = true\n";
    let config = place.path().join("sink.toml");
    fs::write(&config, format!("[server]\nlisten = \"127.0.0.1:0\"\n{own}")).unwrap();
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.arg("--config").arg(&config).args(["--http", "off", "--log-level", "warn"]);
    command.arg("--deny").arg(format!("@{}", file.display())).args(["--deny", "192.0.2.0/24"]);
    let sink = Sink::spawn(command.arg("--data").arg(data.path()));
    let header = |client: &str| format!("PROXY TCP4 {client} 198.51.100.1 1 25\r\n");
    let denied = "554 5.7.1 This listener does not serve your address: closing\r\n";
    for (from, listener, says, expected) in [
        ([127, 0, 0, 1], 0, String::new(), "220 "),
        ([127, 0, 0, 4], 0, String::new(), denied),
        ([127, 0, 0, 5], 0, String::new(), denied),
        ([127, 0, 0, 2], 1, String::new(), "220 "),
        ([127, 0, 0, 1], 1, String::new(), ""),
        // Behind a proxy, the client decides, not the peer that connected.
        ([127, 0, 0, 4], 2, header("192.0.3.1"), "220 "),
        ([127, 0, 0, 1], 2, header("192.0.2.1"), denied),
    ] {
        let line = first_line(&sink, from, listener, &says);
        assert!(line.starts_with(expected) && line.is_empty() == expected.is_empty(), "{line}");
    }
    assert!(sink.stop().success());
    let (stats, _, _) = common::sinkctl(data.path(), &["stats", "--json"]);
    let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!(
        (&stats["totals"]["denied"], &stats["totals"]["connections"]),
        (&4.into(), &3.into())
    );
    assert_eq!(stats["totals"]["turned_away"], 0);
}
