//! Settings that change while a session is under way, at each of its stages.
use std::path::Path;
use std::time::Duration;

use sinkd::config::{Auth, Config};
use sinkd::log::LogSettings;
use sinkd::log::reader::{Folder, Span};
use sinkd::smtp::envelope;
use sinkd::smtp::extension::Extension;

use super::one::{One, config};

/// What comes in force: another name, fewer extensions, smaller messages.
fn other() -> Config {
    let mut other = config();
    other.hostname = "two.example".into();
    other.name = Some("sink-b".into());
    other.without = vec![Extension::Chunking, Extension::EnhancedStatusCodes];
    other.limits.message_bytes_max = 1000;
    other.limits.recipients_max = 1;
    other
}

const MAIL: &str = "MAIL FROM:<a@b.example>\r\n";
const RCPT: &str = "RCPT TO:<c@d.example>\r\n";

fn says(one: &mut One, text: &str, expected: &str) {
    let heard = one.say(text);
    assert!(heard.starts_with(expected), "{text:?}: {heard:?}, expected {expected:?}");
}

/// The old settings hold to the end of the transaction; what EHLO announced to the next EHLO.
#[test]
fn a_transaction_ends_under_the_settings_under_which_it_began() {
    let dialogue = [MAIL, RCPT, "DATA\r\n", "Hello.\r\n", &"x\r\n".repeat(500), ".\r\n"];
    let replies = ["250 2.1.0", "250 2.1.5", "354", "", "", "250 2.0.0 Ok"];
    for stage in 1..dialogue.len() {
        let mut one = One::new();
        says(&mut one, "EHLO c.example\r\n", "250-sinkd.localhost\r\n");
        for (step, (said, expected)) in dialogue.iter().zip(replies).enumerate() {
            if step == stage {
                one.sink().reload(&other());
            }
            // A second recipient and 1,500 octets: the old settings allow both.
            let said = if step == 1 { format!("{RCPT}{RCPT}") } else { said.to_string() };
            let heard = one.say(&said);
            assert!(heard.starts_with(expected), "{stage}: {said:?}: {heard:?}");
            assert!(!heard.contains("sink-b"), "{heard}");
        }
        // The next transaction is under the new ones, but for what was announced.
        says(&mut one, "MAIL FROM:<a@b.example> SIZE=1001\r\n", "552 5.3.4 ");
        says(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
        says(&mut one, RCPT, "452 4.5.3 ");
        let heard = one.say("BDAT 4 LAST\r\nHi\r\n");
        assert!(heard.starts_with("250 2.0.0 Ok ") && heard.ends_with(" sink-b\r\n"), "{heard}");
        says(&mut one, "EHLO c.example\r\n", "250-two.example\r\n");
        says(&mut one, &format!("{MAIL}{RCPT}"), "250 Reverse-path ok\r\n");
        says(&mut one, "BDAT 4 LAST\r\nHi\r\n", "502 ");
        let folder = one.stop();
        check_sink_names(folder.path(), &["", "sink-b"]);
    }
}

/// The sink's name in each envelope.
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
fn a_session_that_has_not_said_ehlo_gets_what_is_in_force_then() {
    let mut one = One::new();
    one.sink().reload(&other());
    says(&mut one, "EHLO c.example\r\n", "250-two.example\r\n");
    says(&mut one, "BDAT 2 LAST\r\nx\n", "502 ");
    one.stop();
}

/// Its response would be read as a command otherwise.
#[test]
fn a_reload_within_auth_waits_for_its_end() {
    let mut one = One::with(Config { auth: Auth::Any, ..config() }, LogSettings::default());
    says(&mut one, "EHLO c.example\r\n", "250-");
    says(&mut one, "AUTH LOGIN\r\n", "334 ");
    one.sink().reload(&config());
    says(&mut one, "YW5u\r\n", "334 ");
    says(&mut one, "HELP\r\n", "235 2.7.0 ");
    says(&mut one, "AUTH LOGIN\r\n", "502 5.5.1 ");
    says(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
    one.stop();
}

#[test]
fn settings_that_change_between_two_chunks_wait_for_the_last_one() {
    let mut one = One::new();
    one.say("EHLO c.example\r\n");
    one.say(&format!("{MAIL}{RCPT}"));
    says(&mut one, &format!("BDAT 900\r\n{}", "x".repeat(900)), "250 2.0.0 ");
    one.sink().reload(&other());
    says(&mut one, &format!("BDAT 900 LAST\r\n{}", "x".repeat(900)), "250 2.0.0 Ok ");
    says(&mut one, "RSET\r\n", "250 2.0.0 ");
    says(&mut one, "MAIL FROM:<a@b.example> SIZE=1001\r\n", "552 5.3.4 ");
    one.stop();
}

/// A shorter time-out holds for connections that were open before, from what they last said on.
#[test]
fn a_time_out_that_becomes_shorter_holds_for_those_who_wait_already() {
    let mut one = One::new();
    one.now_ms += 4_000;
    one.round();
    one.sink().reload(&Config { command_timeout: Duration::from_secs(5), ..config() });
    one.round();
    let (ms, heard) = one.until_heard();
    assert!((1_000..=1_100).contains(&ms), "after {ms} ms");
    assert!(heard.starts_with("421 4.4.2 "), "{heard}");
    one.stop();
    let mut one = One::new();
    one.sink().reload(&Config { command_timeout: Duration::from_secs(60), ..config() });
    let (ms, _) = one.until_heard();
    assert!((60_000..=60_100).contains(&ms), "after {ms} ms");
    one.stop();
}

#[test]
fn a_client_that_has_not_sent_its_proxy_header_yet_is_asked_against_the_new_lists() {
    let header = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n";
    let denies = || Config { deny: vec!["192.0.2.0/24".parse().unwrap()], ..config() };
    let mut one = One::proxied();
    one.sink().reload(&denies());
    says(&mut one, header, "554 5.7.1 ");
    one.stop();
    // One that was served stays.
    let mut one = One::proxied();
    says(&mut one, header, "220 ");
    one.sink().reload(&denies());
    says(&mut one, "EHLO c.example\r\n", "250-");
    says(&mut one, &format!("{MAIL}{RCPT}"), "250 2.1.0 ");
    one.stop();
}
