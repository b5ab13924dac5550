//! Settings that change during a session, at each of its stages.
use std::path::Path;
use std::time::Duration;

use sinkd::config::{Auth, Config};
use sinkd::log::LogSettings;
use sinkd::log::reader::Folder;
use sinkd::smtp::envelope;
use sinkd::smtp::extension::Extension;
use sinkd::time::Span;

use super::one::{One, config};

/// The settings after the reload: another name, fewer extensions, smaller messages.
fn other() -> Config {
    let mut other = config();
    other.hostname = "two.example".into();
    other.name = Some("sink-b".into());
    other.without = vec![Extension::Chunking, Extension::EnhancedStatusCodes];
    other.limits.message_bytes_max = 1000;
    other.limits.recipients_max = 1;
    other
}

fn with_command_timeout(seconds: u64) -> Config {
    let mut config = config();
    config.timeouts.command = Duration::from_secs(seconds);
    config
}

const MAIL: &str = "MAIL FROM:<a@b.example>\r\n";
const RCPT: &str = "RCPT TO:<c@d.example>\r\n";

fn check_reply(one: &mut One, text: &str, expected: &str) {
    let replies = one.send(text);
    assert!(replies.starts_with(expected), "{text:?}: {replies:?}, expected {expected:?}");
}

/// The old settings hold until the end of the transaction; announced extensions hold until the next
/// EHLO.
#[test]
fn a_transaction_ends_under_the_settings_it_began_with() {
    let dialogue = [MAIL, RCPT, "DATA\r\n", "Hello.\r\n", &"x\r\n".repeat(500), ".\r\n"];
    let replies = ["250 2.1.0", "250 2.1.5", "354", "", "", "250 2.0.0 Ok"];
    for stage in 1..dialogue.len() {
        let mut one = One::new();
        check_reply(&mut one, "EHLO c.example\r\n", "250-sinkd.localhost\r\n");
        for (step, (output, expected)) in dialogue.iter().zip(replies).enumerate() {
            if step == stage {
                one.sink().reload(&other());
            }
            // A second recipient and 1,500 octets: the old settings allow both.
            let output = if step == 1 { format!("{RCPT}{RCPT}") } else { output.to_string() };
            let replies = one.send(&output);
            assert!(replies.starts_with(expected), "{stage}: {output:?}: {replies:?}");
            assert!(!replies.contains("sink-b"), "{replies}");
        }
        // The next transaction is under the new settings, except for extensions that were
        // announced.
        check_reply(&mut one, "MAIL FROM:<a@b.example> SIZE=1001\r\n", "552 5.3.4 ");
        check_reply(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
        check_reply(&mut one, RCPT, "452 4.5.3 ");
        let replies = one.send("BDAT 4 LAST\r\nHi\r\n");
        assert!(
            replies.starts_with("250 2.0.0 Ok ") && replies.ends_with(" sink-b\r\n"),
            "{replies}"
        );
        check_reply(&mut one, "EHLO c.example\r\n", "250-two.example\r\n");
        check_reply(&mut one, &format!("{MAIL}{RCPT}"), "250 Reverse-path ok\r\n");
        check_reply(&mut one, "BDAT 4 LAST\r\nHi\r\n", "502 ");
        let folder = one.stop();
        check_sink_names(folder.path(), &["", "sink-b"]);
    }
}

/// Asserts the sink's name in each envelope.
#[track_caller]
fn check_sink_names(folder: &Path, expected: &[&str]) {
    let folder = Folder::open(folder).unwrap();
    let listing = folder.listing(Span::default()).unwrap();
    let names: Vec<String> = listing
        .forward(0)
        .unwrap()
        .map(|slot| {
            let (slot, mut octets) = (slot.unwrap(), Vec::new());
            let (segment, _) = folder.find(slot.id()).unwrap();
            let envelope = envelope::decode(segment.envelope(&slot, &mut octets).unwrap()).unwrap();
            String::from_utf8(envelope.sink_name.to_vec()).unwrap()
        })
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_session_gets_the_settings_in_force_at_its_ehlo() {
    let mut one = One::new();
    one.sink().reload(&other());
    check_reply(&mut one, "EHLO c.example\r\n", "250-two.example\r\n");
    check_reply(&mut one, "BDAT 2 LAST\r\nx\n", "502 ");
    one.stop();
}

/// The client's response to a challenge would otherwise be read as a command.
#[test]
fn a_reload_during_auth_takes_effect_after_it() {
    let mut one = One::with(Config { auth: Auth::Any.into(), ..config() }, LogSettings::default());
    check_reply(&mut one, "EHLO c.example\r\n", "250-");
    check_reply(&mut one, "AUTH LOGIN\r\n", "334 ");
    one.sink().reload(&config());
    check_reply(&mut one, "YW5u\r\n", "334 ");
    check_reply(&mut one, "HELP\r\n", "235 2.7.0 ");
    check_reply(&mut one, "AUTH LOGIN\r\n", "502 5.5.1 ");
    check_reply(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
    one.stop();
}

#[test]
fn a_reload_between_two_chunks_takes_effect_after_the_last_chunk() {
    let mut one = One::new();
    one.send("EHLO c.example\r\n");
    one.send(&format!("{MAIL}{RCPT}"));
    check_reply(&mut one, &format!("BDAT 900\r\n{}", "x".repeat(900)), "250 2.0.0 ");
    one.sink().reload(&other());
    check_reply(&mut one, &format!("BDAT 900 LAST\r\n{}", "x".repeat(900)), "250 2.0.0 Ok ");
    check_reply(&mut one, "RSET\r\n", "250 2.0.0 ");
    check_reply(&mut one, "MAIL FROM:<a@b.example> SIZE=1001\r\n", "552 5.3.4 ");
    one.stop();
}

/// A shorter timeout applies to connections that are already open, counted from their last input.
#[test]
fn a_shorter_timeout_applies_to_clients_that_already_wait() {
    let mut one = One::new();
    one.now_ms += 4_000;
    one.round();
    one.sink().reload(&with_command_timeout(5));
    one.round();
    let (ms, replies) = one.wait_for_reply();
    assert!((1_000..=1_100).contains(&ms), "after {ms} ms");
    assert!(replies.starts_with("421 4.4.2 "), "{replies}");
    one.stop();
    let mut one = One::new();
    one.sink().reload(&with_command_timeout(60));
    let (ms, _) = one.wait_for_reply();
    assert!((60_000..=60_100).contains(&ms), "after {ms} ms");
    one.stop();
}

#[test]
fn a_client_that_has_not_sent_its_proxy_header_is_checked_against_the_new_lists() {
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n";
    let denies = || {
        let mut config = config();
        config.clients.deny.push("192.0.2.0/24".parse().unwrap());
        config
    };
    let mut one = One::proxied();
    one.sink().reload(&denies());
    check_reply(&mut one, header, "554 5.7.1 ");
    one.stop();
    // A session that is already being served continues.
    let mut one = One::proxied();
    check_reply(&mut one, header, "220 ");
    one.sink().reload(&denies());
    check_reply(&mut one, "EHLO c.example\r\n", "250-");
    check_reply(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
    one.stop();
}
