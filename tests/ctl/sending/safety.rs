//! Content that a target could misread or cannot carry is not sent to it.
use std::path::Path;

use serde_json::Value;

use super::target::{Behavior, PLAIN, Target, report_of};
use crate::common::{Sink, sinkctl, until};

const SMUGGLER: &[u8] = b"Subject: 1\r\n\r\nhello\n.\r\nMAIL FROM:<evil@a.test>\r\n\
    RCPT TO:<real@person.test>\r\nDATA\r\nSubject: 2\r\n\r\nsmuggled\r\n";

/// A harmless message, one that contains another one, and one in BODY=BINARYMIME.
fn fill(data: &Path) {
    let sink = Sink::start(data, &[]);
    let mut client = sink.connect();
    client.ehlo();
    client.deliver("s@a.test", "one@b.test", b"Subject: 0\r\n\r\n..dot\r\n");
    client.deliver("s@a.test", "two@b.test", SMUGGLER);
    assert_eq!(client.command("MAIL FROM:<s@a.test> BODY=BINARYMIME"), 250);
    assert_eq!(client.command("RCPT TO:<three@b.test>"), 250);
    client.send(b"BDAT 6 LAST\r\na\0\n.\nb");
    assert_eq!(client.reply().0, 250);
    assert!(sink.stop().success());
}

fn replay(data: &Path, target: &Target, args: &[&str]) -> (Value, i32, String) {
    let to = target.to();
    let all = ["replay", "--to", &to, "--to-domain", "staging.test", "--speed", "max", "--json"];
    let (out, errors, code) = sinkctl(data, &[&all, args].concat());
    (report_of(&out, &errors), code, errors)
}

/// Returns everyone who received mail.
fn recipients(target: &Target) -> Vec<String> {
    let accepted = target.accepted.lock().unwrap();
    let mut all: Vec<String> = accepted.iter().flat_map(|(paths, _)| paths.clone()).collect();
    all.sort();
    all
}

#[test]
fn content_cannot_smuggle_another_message() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    let target = Target::start(Behavior { is_careless: true, ..PLAIN });
    let (report, code, errors) = replay(data.path(), &target, &[]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(report["replay"]["withheld"], 2, "{report}");
    assert_eq!(recipients(&target), ["one@staging.test"]);
    let failed: Vec<_> = report["failures"].as_array().unwrap().iter().collect();
    let what: Vec<_> = failed.iter().map(|failure| failure["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["ambiguous dot", "binary content"], "{report}");
}

#[test]
fn ambiguous_content_that_is_allowed_is_counted_and_extra_replies_are_noticed() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    let target = Target::start(Behavior { is_careless: true, ..PLAIN });
    let two = ["--allow-smuggling", "to:two@b.test"];
    let (report, code, errors) = replay(data.path(), &target, &two);
    // The server accepted the message, and also replied to commands inside its content.
    assert_eq!((code, &report["accepted"]), (1, &1.into()), "{errors}{report}");
    assert_eq!((&report["ambiguous"], &report["unsolicited_replies"]), (&1.into(), &1.into()));
    // The replay ends at the extra reply; the server may still read what it takes for a message.
    until("it is a real danger", || recipients(&target).contains(&"real@person.test".to_owned()));
    // A server that follows the RFC reads it as one message.
    let target = Target::start(PLAIN);
    let (report, code, errors) = replay(data.path(), &target, &two);
    assert_eq!((code, &report["unsolicited_replies"]), (0, &0.into()), "{errors}{report}");
    assert_eq!(recipients(&target), ["two@staging.test"]);
    assert_eq!(target.accepted.lock().unwrap()[0].1, SMUGGLER);
}

#[test]
fn bdat_carries_what_data_cannot() {
    let data = tempfile::tempdir().unwrap();
    fill(data.path());
    let extensions = &["CHUNKING", "BINARYMIME"];
    let target = Target::start(Behavior { is_careless: true, extensions, ..PLAIN });
    let (report, code, errors) = replay(data.path(), &target, &[]);
    assert_eq!((code, &report["replay"]["accepted"]), (0, &3.into()), "{errors}{report}");
    let staging = ["one@staging.test", "three@staging.test", "two@staging.test"];
    assert_eq!(recipients(&target), staging);
    // CHUNKING alone is not enough for BODY=BINARYMIME (RFC 3030 section 3).
    let target = Target::start(Behavior { extensions: &["CHUNKING"], ..PLAIN });
    let (report, code, errors) = replay(data.path(), &target, &[]);
    assert_eq!((code, &report["replay"]["withheld"]), (1, &1.into()), "{errors}{report}");
}

#[test]
fn a_non_ascii_address_is_sent_only_if_smtputf8_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "ann@example.org\nj\u{f6}rg@example.org\n").unwrap();
    for (extensions, code, accepted) in [(&[][..], 1, 1), (&["SMTPUTF8"], 0, 2)] {
        let target = Target::start(Behavior { extensions, ..PLAIN });
        let (to, list) = (target.to(), list.to_str().unwrap());
        let args = ["blast", "--to", &to, "--recipients", list, "--count", "2", "--json"];
        let (out, errors, got) = sinkctl(folder.path(), &args);
        let report = report_of(&out, &errors);
        assert_eq!((got, &report["accepted"]), (code, &accepted.into()), "{errors}{report}");
        assert_eq!(report["withheld"], 2 - accepted, "{report}");
        assert!(recipients(&target).iter().all(|to| to.is_ascii() || accepted == 2));
    }
}

/// An unsolicited reply after the last message affects no message, but is still a failure.
#[test]
fn an_unsolicited_reply_makes_the_exit_code_1() {
    let target = Target::start(Behavior { extensions: &["SIZE\r\n250 HELP\r\n250-what"], ..PLAIN });
    let to = target.to();
    let args = ["blast", "--to", &to, "--count", "1", "--connections", "1", "--json"];
    let (out, errors, code) = sinkctl(Path::new("."), &args);
    let report = report_of(&out, &errors);
    assert_eq!(code, 1, "{errors}{report}");
    assert!(report["unsolicited_replies"].as_u64() > Some(0), "{report}");
}
