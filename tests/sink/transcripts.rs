//! Transcripts of real sessions: what they show and what they omit.
use crate::common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Client, Sink};
use tempfile::{TempDir, tempdir};

fn start(args: &[&str]) -> (Sink, TempDir, TempDir) {
    let (data, transcripts) = (tempdir().unwrap(), tempdir().unwrap());
    let folder = transcripts.path().join("made");
    let args = [&["--transcript", folder.to_str().unwrap()], args].concat();
    (Sink::start(data.path(), &args), data, transcripts)
}

/// Returns the texts of all transcripts, by name.
fn texts(transcripts: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(transcripts.join("made")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Returns the dialogue without its timestamps.
fn dialogue(text: &str) -> Vec<String> {
    let lines = text.lines().skip(3);
    lines.map(|line| line.trim_start().split_once(' ').unwrap().1.to_owned()).collect()
}

fn quit(mut client: Client) {
    assert_eq!(client.command("QUIT"), 221);
    assert!(client.rest().is_empty());
}

#[test]
fn a_transcript_omits_mail_data_and_secrets() {
    let (sink, _data, transcripts) = start(&["--workers", "1"]);
    let mut client = sink.connect();
    assert_eq!(client.command("HELO client.example"), 250);
    assert_eq!(client.command("AUTH PLAIN c2VjcmV0"), 502);
    assert_eq!(client.command("c2VjcmV0"), 500);
    client.deliver("a@example.org", "b@example.org", b"Subject: secret\r\n\r\nsecret\r\n");
    assert_eq!(client.command("MAIL FROM:<\x1b[2J>"), 500);
    let chunks = "MAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\nBDAT 6\r\nsecretBDAT 6 LAST\r\nsecret";
    client.send(chunks.as_bytes());
    (0..4).for_each(|_| assert_eq!(client.reply().0, 250));
    client.begin("a@example.org", "b@example.org");
    client.send(&b"secret\r\n".repeat(100_000));
    let long = [&b".\r\nAUTH PLAIN "[..], &b"secret".repeat(2000), b"\r\n"].concat();
    client.send(&long);
    assert_eq!(client.reply().0, 250);
    assert_eq!(client.reply().0, 500);
    client.begin("a@example.org", "b@example.org");
    client.send(b"secret");
    drop(client);
    assert!(sink.stop().success());
    let texts = texts(transcripts.path());
    assert_eq!(texts.len(), 1);
    let text = &texts[0];
    assert!(!text.contains("ecret") && !text.contains("c2VjcmV0"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    assert!(text.starts_with("Session ") && text.contains(" of 127.0.0.1:"), "{text}");
    let shown = dialogue(text);
    let expected = [
        "S: 220 sinkd.localhost ESMTP sinkd",
        "C: HELO client.example",
        "S: 250 sinkd.localhost",
        "C: AUTH PLAIN <left out>",
        "S: 502 5.5.1 Not implemented; see the EHLO reply for what is",
        "C: <left out>",
        "S: 500 5.5.2 Unknown command: send HELP for a list",
        "C: MAIL FROM:<a@example.org>",
        "S: 250 2.1.0 Reverse-path ok",
        "C: RCPT TO:<b@example.org>",
        "S: 250 2.1.5 Forward-path ok",
        "C: DATA",
        "S: 354 Send the message, end with CRLF.CRLF",
        "C: <27 octets of mail data>",
        "S: 250 2.0.0 Ok 1:0",
        "C: MAIL FROM:<\\x1b[2J>",
    ];
    assert_eq!(shown[..expected.len()], expected);
    for line in [
        "C: BDAT 6",
        "C: <6 octets of mail data>",
        "C: BDAT 6 LAST",
        "C: <800000 octets of mail data>",
    ] {
        assert!(shown.iter().any(|l| l == line), "{line} is not in {text}");
    }
    // Whether the line is seen to be too long depends on how it was split into reads.
    let auth = shown.iter().filter(|line| line.starts_with("C: AUTH PLAIN <left out>")).count();
    assert_eq!(auth, 2, "{text}");
    assert_eq!(shown[shown.len() - 2], "C: <6 octets of mail data, without its end>");
    assert_eq!(shown[shown.len() - 1], "-- closed");
}

#[test]
fn with_the_errors_option_only_sessions_with_errors_are_written() {
    let (sink, _data, transcripts) = start(&["--transcript-sessions", "errors"]);
    for n in 0..6 {
        let mut client = sink.connect();
        client.ehlo();
        if n % 3 == 0 {
            assert_eq!(client.command(&format!("XYZZY {n}")), 500);
        }
        quit(client);
    }
    assert!(sink.stop().success());
    let texts = texts(transcripts.path());
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("C: XYZZY 0") && texts[1].contains("C: XYZZY 3"), "{texts:?}");
    assert!(texts[0].contains("C: EHLO client.example"), "lines before the error are included");
}

#[test]
fn one_session_in_n_is_written_across_workers() {
    let (sink, _data, transcripts) = start(&["--transcript-sessions", "1/4", "--workers", "2"]);
    let clients: Vec<Client> = (0..10).map(|_| sink.connect()).collect();
    clients.into_iter().for_each(quit);
    assert!(sink.stop().success());
    assert_eq!(texts(transcripts.path()).len(), 3);
}

#[test]
fn an_endless_session_has_a_bounded_transcript() {
    let (sink, _data, transcripts) = start(&[]);
    let mut client = sink.connect();
    client.ehlo();
    for _ in 0..60 {
        client.send(&b"NOOP 0123456789012345678901234567890123456789\r\n".repeat(300));
        (0..300).for_each(|_| assert_eq!(client.reply().0, 250));
    }
    quit(client);
    assert!(sink.stop().success());
    let texts = texts(transcripts.path());
    assert!(texts[0].len() <= (1 << 20) + 200, "{} octets", texts[0].len());
    assert!(texts[0].contains("The transcript ends here"));
}

#[test]
fn a_transcript_folder_that_cannot_be_created_is_an_error() {
    let data = tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = common::program(env!("CARGO_BIN_EXE_sinkd"))
        .args(["--listen", "127.0.0.1:0", "--http", "off", "--transcript"])
        .arg(&file)
        .arg("--data")
        .arg(data.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("file: transcripts cannot be written there"), "{error}");
}
