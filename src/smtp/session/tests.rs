//! Sequences, limits and every reply.
use super::*;
use crate::smtp::limits::{Limits, Protocol};
use crate::smtp::testkit::Driver;
use std::collections::BTreeSet;

const OPEN: &str = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 160, "{} octets", size_of::<Session>());
}

fn limits() -> Limits {
    Limits {
        message_bytes_max: 100,
        recipients_max: 2,
        command_line_bytes_max: 64,
        ..Limits::default()
    }
}

/// The last reply to `dialogue`, all its lines.
fn last_reply(dialogue: &[u8], limits: Limits, budget: usize) -> Vec<u8> {
    let mut driver = Driver::with_envelope_budget(limits, budget);
    driver.push(dialogue);
    let replies = driver.finish().replies;
    let text = String::from_utf8(replies).unwrap();
    let lines: Vec<&str> = text.split_inclusive("\r\n").collect();
    let is_inner = |line: &&&str| line.as_bytes()[3] == b'-';
    let inner = lines.iter().rev().skip(1).take_while(is_inner).count();
    lines[lines.len() - 1 - inner..].concat().into_bytes()
}

#[track_caller]
fn check(seen: &mut BTreeSet<&'static str>, dialogue: &str, expected: &'static Reply) {
    let found = last_reply(dialogue.as_bytes(), limits(), 1 << 20);
    let found = String::from_utf8(found).unwrap();
    assert_eq!(found.as_bytes(), expected.as_bytes(), "{dialogue:?}: {found}");
    seen.insert(expected.name);
}

// Long on purpose: one row a reply, so that a missing one is seen.
#[test]
fn every_reply_has_its_dialogue() {
    let mut seen = BTreeSet::new();
    let rows: [(&str, &'static Reply); 47] = [
        ("QUIT\r\n", &reply::CLOSING),
        ("HELP\r\n", &reply::HELP),
        ("EHLO c\r\nMAIL FROM:<>\r\n", &reply::MAIL_OK),
        (OPEN, &reply::RCPT_OK),
        ("RSET\r\n", &reply::RESET_OK),
        ("NOOP\r\n", &reply::NOOP_OK),
        ("{OPEN}BDAT 1\r\nx", &reply::CHUNK_OK),
        ("VRFY a\r\n", &reply::NOT_VERIFIED),
        ("{OPEN}DATA\r\n", &reply::START_DATA),
        ("NOOP {64}\r\n", &reply::LINE_TOO_LONG),
        ("XYZZY\r\n", &reply::UNKNOWN),
        ("\r\n", &reply::UNKNOWN),
        ("NOOP \0\r\n", &reply::CONTROL_CHARACTER),
        ("NOOP\nNOOP\r\n", &reply::CONTROL_CHARACTER), // a lone LF ends no command
        ("EHLO\r\n", &reply::NAME_SYNTAX),
        ("MAIL a@b\r\n", &reply::MAIL_SYNTAX),
        ("RCPT a@b\r\n", &reply::RCPT_SYNTAX),
        ("MAIL FROM:<a>\r\n", &reply::REVERSE_PATH_SYNTAX),
        ("RCPT TO:<a>\r\n", &reply::FORWARD_PATH_SYNTAX),
        ("MAIL FROM:<> SIZE=x\r\n", &reply::PARAMETER_SYNTAX),
        ("DATA x\r\n", &reply::ARGUMENT_UNEXPECTED),
        ("VRFY\r\n", &reply::ARGUMENT_MISSING),
        ("{OPEN}BDAT 3 X\r\nabc", &reply::BDAT_SYNTAX),
        ("STARTTLS\r\n", &reply::NOT_IMPLEMENTED),
        ("EXPN x\r\n", &reply::NO_LISTS),
        ("MAIL FROM:<> X=1\r\n", &reply::PARAMETER_UNKNOWN),
        ("EHLO c\r\nMAIL FROM:<é@b>\r\n", &reply::UTF8_NOT_DECLARED),
        ("MAIL FROM:<>\r\n", &reply::EHLO_FIRST),
        ("RCPT TO:<a@b>\r\n", &reply::EHLO_FIRST),
        ("DATA\r\n", &reply::EHLO_FIRST),
        ("BDAT 1\r\nx", &reply::EHLO_FIRST),
        ("EHLO c\r\nRCPT TO:<a@b>\r\n", &reply::MAIL_FIRST),
        ("EHLO c\r\nDATA\r\n", &reply::MAIL_FIRST),
        ("EHLO c\r\nMAIL FROM:<>\r\nDATA\r\n", &reply::RCPT_FIRST),
        ("EHLO c\r\nMAIL FROM:<>\r\nBDAT 1\r\nx", &reply::RCPT_FIRST),
        ("{OPEN}MAIL FROM:<>\r\n", &reply::MAIL_NESTED),
        ("{OPEN}BDAT 1\r\nxRCPT TO:<a@b>\r\n", &reply::CHUNKS_BEGUN),
        ("{OPEN}BDAT 1\r\nxDATA\r\n", &reply::CHUNKS_BEGUN),
        (
            "EHLO c\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@b>\r\nDATA\r\n",
            &reply::BINARY_NEEDS_BDAT,
        ),
        ("EHLO c\r\nBDAT 1\r\nx", &reply::CHUNK_OUT_OF_SEQUENCE),
        ("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<é@b>\r\nDATA\r\n", &reply::NO_VALID_RECIPIENTS),
        ("{OPEN}RCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\n", &reply::TOO_MANY_RECIPIENTS),
        ("EHLO c\r\nMAIL FROM:<> SIZE=101\r\n", &reply::TOO_LARGE),
        ("{OPEN}DATA\r\n{101}\r\n.\r\n", &reply::TOO_LARGE),
        ("{OPEN}BDAT 101\r\n{101}", &reply::TOO_LARGE),
        ("BDAT x\r\n", &reply::CHUNK_SIZE_LOST),
        ("BDAT {64}\r\n", &reply::CHUNK_SIZE_LOST),
    ];
    for (dialogue, expected) in rows {
        let dialogue = dialogue.replace("{OPEN}", OPEN);
        let dialogue = dialogue.replace("{64}", &"x".repeat(64)).replace("{101}", &"x".repeat(101));
        check(&mut seen, &dialogue, expected);
    }
    let elsewhere = [
        "ENVELOPE_STORAGE", // the_desk_s_budget_is_452
        "NO_STORAGE",       // refusals_and_farewells_have_their_replies, and those below
        "STORAGE_FAILED",
        "STOPPING",
        "TIMEOUT",
        "TOO_MANY_CONNECTIONS",
        "TOO_MANY_FROM_ADDRESS",
        "OUT_OF_BUFFERS",
        "LMTP_HELP", // lmtp_has_replies_of_its_own
        "LHLO_NOT_EHLO",
        "LHLO_NAME_SYNTAX",
        "LHLO_FIRST",
        "MARK_TAKEN", // moments_have_their_replies
        "RUN_BEGINS",
        "RUN_ENDS",
        "MARK_SYNTAX",
        "RUN_NAME_SYNTAX",
        "RUN_NAME_TAKEN",
        "NO_RUN",
        "MOMENTS_TOO_FAST",
        "MOMENTS_TOO_MANY",
        "TOO_MANY_ERRORS",   // errors_end_the_session_with_421
        "TOO_MANY_MESSAGES", // messages_end_the_session_with_421
    ];
    seen.extend(elsewhere);
    let all: BTreeSet<_> = reply::ALL.iter().map(|reply| reply.name).collect();
    assert_eq!(seen, all);
}

#[test]
fn moments_have_their_replies() {
    let (mark, start, stop) = ("sinkd mark half way", "sinkd run start one", "sinkd run stop");
    for (argument, outcome, expected) in [
        (mark, Outcome::Taken, &reply::MARK_TAKEN),
        (start, Outcome::Taken, &reply::RUN_BEGINS),
        (stop, Outcome::Taken, &reply::RUN_ENDS),
        (mark, Outcome::Malformed, &reply::MARK_SYNTAX),
        (start, Outcome::Malformed, &reply::RUN_NAME_SYNTAX),
        (start, Outcome::NameTaken, &reply::RUN_NAME_TAKEN),
        (stop, Outcome::NoRun, &reply::NO_RUN),
        (mark, Outcome::TooFast, &reply::MOMENTS_TOO_FAST),
        (mark, Outcome::TooMany, &reply::MOMENTS_TOO_MANY),
        // Whatever else NOOP says is nothing.
        ("sinkd mrak x", Outcome::NoRun, &reply::NOOP_OK),
        ("", Outcome::NoRun, &reply::NOOP_OK),
    ] {
        // In a transaction too, which it leaves alone.
        let dialogue = format!("{OPEN}NOOP {argument}\r\nDATA\r\nx\r\n.\r\n");
        let mut driver = Driver::with_moments(limits(), outcome);
        driver.push(dialogue.as_bytes());
        assert_eq!(driver.take_stored().len(), 1, "{argument}");
        let replies = driver.finish().replies;
        let wanted = [expected.as_bytes(), reply::START_DATA.as_bytes()].concat();
        let found = replies.windows(wanted.len()).any(|found| found == wanted);
        assert!(found, "{argument}: {}", replies.escape_ascii());
    }
    let off = last_reply(b"NOOP sinkd mark x\r\n", limits(), 1 << 20);
    assert_eq!(off, reply::NOOP_OK.as_bytes());
}

fn session() -> (Session, Desk) {
    let policy = Arc::new(Policy::new("sink.example", "127.0.0.1:1025", limits()));
    (Session::new(Client::Tcp(([192, 0, 2, 1], 9).into()), policy), Desk::new(1 << 20))
}

fn in_data() -> (Session, Desk) {
    let (mut session, mut desk) = session();
    let dialogue = format!("{OPEN}DATA\r\n");
    assert_eq!(session.feed(dialogue.as_bytes(), &mut desk), (dialogue.len(), Step::Data));
    desk.replies.clear();
    (session, desk)
}

#[test]
fn refusals_and_farewells_have_their_replies() {
    for (refusal, expected, step) in [
        (Refusal::TooLarge, &reply::TOO_LARGE, Step::NeedInput),
        (Refusal::NoStorage, &reply::NO_STORAGE, Step::NeedInput),
        (Refusal::StorageFailed, &reply::STORAGE_FAILED, Step::NeedInput),
        (Refusal::Stopping, &reply::STOPPING, Step::Close),
    ] {
        let (mut session, mut desk) = in_data();
        assert!(session.in_transaction());
        session.refuse(refusal, &mut desk);
        assert_eq!(desk.replies, expected.as_bytes());
        assert!(!session.in_transaction());
        assert_eq!(session.feed(b"", &mut desk), (0, step));
        assert_eq!(desk.envelope_bytes_lent(), 0);
    }
    for (farewell, expected) in [
        (Farewell::Timeout, &reply::TIMEOUT),
        (Farewell::Stopping, &reply::STOPPING),
        (Farewell::TooManyConnections, &reply::TOO_MANY_CONNECTIONS),
        (Farewell::TooManyFromAddress, &reply::TOO_MANY_FROM_ADDRESS),
        (Farewell::OutOfBuffers, &reply::OUT_OF_BUFFERS),
    ] {
        let (mut session, mut desk) = in_data();
        session.farewell(farewell, &mut desk);
        assert_eq!(desk.replies, expected.as_bytes());
        assert_eq!(session.feed(b"NOOP\r\n", &mut desk), (0, Step::Close));
        assert_eq!(desk.envelope_bytes_lent(), 0);
    }
}

#[test]
fn a_refused_chunk_ends_the_transaction() {
    let (mut session, mut desk) = session();
    let dialogue = format!("{OPEN}BDAT 3\r\n");
    let (consumed, step) = session.feed(dialogue.as_bytes(), &mut desk);
    assert_eq!(
        (consumed, step),
        (dialogue.len(), Step::Chunk { bytes: 3, last: false, first: true })
    );
    session.refuse(Refusal::NoStorage, &mut desk);
    assert_eq!(session.feed(b"BDAT 2 LAST\r\n", &mut desk).1, Step::DiscardChunk { bytes: 2 });
    desk.replies.clear();
    session.chunk_received(&mut desk);
    assert_eq!(desk.replies, reply::CHUNK_OUT_OF_SEQUENCE.as_bytes());
}

#[test]
fn the_desk_s_budget_is_452() {
    let mail = b"EHLO c\r\nMAIL FROM:<a@b>\r\n";
    assert_eq!(last_reply(mail, limits(), 50), reply::ENVELOPE_STORAGE.as_bytes());
    let reply = last_reply(OPEN.as_bytes(), limits(), 65);
    assert_eq!(reply, reply::ENVELOPE_STORAGE.as_bytes());
}

#[test]
fn errors_end_the_session_with_421() {
    let limits = Limits { errors_max: Some(2), ..limits() };
    assert_eq!(last_reply(b"X\r\nX\r\n", limits.clone(), 0), reply::UNKNOWN.as_bytes());
    assert_eq!(last_reply(b"X\r\nX\r\nNOOP\r\n", limits.clone(), 0), reply::NOOP_OK.as_bytes());
    let replies = last_reply(b"X\r\nX\r\nX\r\nNOOP\r\n", limits, 0);
    assert_eq!(replies, reply::TOO_MANY_ERRORS.as_bytes());
}

#[test]
fn messages_end_the_session_with_421() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\nx";
    let limits = Limits { messages_max: Some(2), ..limits() };
    let run = |messages: usize| {
        let dialogue = format!("EHLO c\r\n{}NOOP\r\n", message.repeat(messages));
        last_reply(dialogue.as_bytes(), limits.clone(), 1 << 20)
    };
    assert_eq!(run(1), reply::NOOP_OK.as_bytes());
    assert_eq!(run(2), reply::NOOP_OK.as_bytes());
    assert_eq!(run(3), reply::TOO_MANY_MESSAGES.as_bytes());
}

#[test]
fn command_lines_end_at_command_line_bytes_max() {
    for (octets, expected) in
        [(63, &reply::NOOP_OK), (64, &reply::NOOP_OK), (65, &reply::LINE_TOO_LONG)]
    {
        let line = format!("NOOP {}\r\n", "x".repeat(octets - 7));
        assert_eq!(line.len(), octets);
        assert_eq!(last_reply(line.as_bytes(), limits(), 0), expected.as_bytes());
    }
}

#[test]
fn recipients_end_at_recipients_max_and_envelope_bytes_max() {
    let rcpt = |count: usize| format!("{OPEN}{}", "RCPT TO:<c@d>\r\n".repeat(count - 1));
    let last = |count, limits| last_reply(rcpt(count).as_bytes(), limits, 1 << 20);
    assert_eq!(last(1, limits()), reply::RCPT_OK.as_bytes());
    assert_eq!(last(2, limits()), reply::RCPT_OK.as_bytes());
    assert_eq!(last(3, limits()), reply::TOO_MANY_RECIPIENTS.as_bytes());
    let mut driver = Driver::new(limits());
    driver.push(format!("{OPEN}BDAT 0 LAST\r\n").as_bytes());
    let one = driver.take_stored()[0].envelope.len();
    let field = FIELD_HEADER_BYTES + "c@d".len();
    for (envelope_bytes_max, expected) in [
        (one + field - 1, &reply::TOO_MANY_RECIPIENTS),
        (one + field, &reply::RCPT_OK),
        (one + field + 1, &reply::RCPT_OK),
    ] {
        let limits = Limits { envelope_bytes_max, ..limits() };
        assert_eq!(last(2, limits), expected.as_bytes());
    }
}

#[test]
fn message_bytes_end_at_message_bytes_max() {
    for (octets, code) in [(99, "250"), (100, "250"), (101, "552")] {
        let data = format!("{OPEN}DATA\r\n{}\r\n.\r\n", "x".repeat(octets - 2));
        // A stuffed dot is not counted (RFC 1870 5).
        let stuffed = format!("{OPEN}DATA\r\n..{}\r\n.\r\n", "x".repeat(octets - 3));
        let chunks =
            format!("{OPEN}BDAT 1\r\nxBDAT {} LAST\r\n{}", octets - 1, "x".repeat(octets - 1));
        let declared = format!("EHLO c\r\nMAIL FROM:<> SIZE={octets}\r\n");
        for dialogue in [data, stuffed, chunks, declared] {
            let reply = last_reply(dialogue.as_bytes(), limits(), 1 << 20);
            assert!(reply.starts_with(code.as_bytes()), "{dialogue}");
        }
    }
}

#[test]
fn feed_pauses_when_replies_grow() {
    let (mut session, mut desk) = session();
    let commands = b"HELP\r\n".repeat(2000);
    let (mut consumed, mut pauses) = (0, 0);
    loop {
        let (octets, step) = session.feed(&commands[consumed..], &mut desk);
        consumed += octets;
        assert!(desk.replies.len() <= REPLIES_BYTES_PAUSE + 1024);
        desk.replies.clear();
        match step {
            Step::Drain => pauses += 1,
            _ => break assert_eq!(step, Step::NeedInput),
        }
    }
    assert_eq!(consumed, commands.len());
    assert!(pauses > 10, "{pauses}");
}

#[test]
fn an_endless_line_is_skipped_in_constant_memory() {
    let (mut session, mut desk) = session();
    let piece = [b'x'; 1000];
    for _ in 0..1000 {
        let (consumed, step) = session.feed(&piece, &mut desk);
        assert_eq!((consumed, step), (1000, Step::NeedInput));
    }
    assert_eq!(session.feed(b"\r", &mut desk), (0, Step::NeedInput));
    assert!(desk.replies.is_empty());
    assert_eq!(session.feed(b"\r\nNOOP\r\n", &mut desk), (8, Step::NeedInput));
    let expected = [reply::LINE_TOO_LONG.as_bytes(), reply::NOOP_OK.as_bytes()].concat();
    assert_eq!(desk.replies, expected);
}

#[test]
fn nothing_is_looked_at_behind_data_chunk_and_quit() {
    for (dialogue, step) in [
        (format!("{OPEN}DATA\r\n"), Step::Data),
        (format!("{OPEN}BDAT 9\r\n"), Step::Chunk { bytes: 9, last: false, first: true }),
        ("EHLO c\r\nBDAT 9\r\n".to_string(), Step::DiscardChunk { bytes: 9 }),
        ("QUIT\r\n".to_string(), Step::Close),
    ] {
        let (mut session, mut desk) = session();
        let garbage = format!("{dialogue}\r\nNOOP\r\nQUIT\r\n\0\0");
        assert_eq!(session.feed(garbage.as_bytes(), &mut desk), (dialogue.len(), step));
        session.abandon(&mut desk);
    }
}

#[test]
fn ehlo_and_rset_reset_the_transaction() {
    for reset in ["EHLO c", "HELO c", "RSET"] {
        let dialogue = format!("{OPEN}{reset}\r\nDATA\r\n");
        let reply = last_reply(dialogue.as_bytes(), limits(), 1 << 20);
        assert_eq!(reply, reply::MAIL_FIRST.as_bytes(), "{reset}");
        let dialogue = format!("{OPEN}BDAT 3\r\nabc{reset}\r\nBDAT 1 LAST\r\nx");
        let reply = last_reply(dialogue.as_bytes(), limits(), 1 << 20);
        assert_eq!(reply, reply::CHUNK_OUT_OF_SEQUENCE.as_bytes(), "{reset}");
    }
    // A failed EHLO changes nothing (RFC 5321 4.1.4).
    let dialogue = format!("{OPEN}EHLO\r\nDATA\r\n");
    let reply = last_reply(dialogue.as_bytes(), limits(), 1 << 20);
    assert_eq!(reply, reply::START_DATA.as_bytes());
}

#[test]
fn lmtp_has_replies_of_its_own() {
    let open = "LHLO c\r\nMAIL FROM:<>\r\n";
    for (dialogue, expected) in [
        ("HELP\r\n", &reply::LMTP_HELP),
        ("EHLO c\r\n", &reply::LHLO_NOT_EHLO),
        ("helo\r\n", &reply::LHLO_NOT_EHLO),
        ("HELOX\r\n", &reply::UNKNOWN),
        ("LHLO\r\n", &reply::LHLO_NAME_SYNTAX),
        ("LHLO a b\r\n", &reply::LHLO_NAME_SYNTAX),
        ("MAIL FROM:<>\r\n", &reply::LHLO_FIRST),
        ("DATA\r\n", &reply::LHLO_FIRST),
        ("{OPEN}DATA\r\n", &reply::RCPT_FIRST),
        ("{OPEN}RCPT TO:<a>\r\nDATA\r\n", &reply::RCPT_FIRST),
        ("{OPEN}RCPT TO:<a>\r\nBDAT 1 LAST\r\nx", &reply::RCPT_FIRST),
    ] {
        let mut driver = Driver::lmtp(limits());
        driver.push(dialogue.replace("{OPEN}", open).as_bytes());
        let replies = driver.finish().replies;
        assert!(replies.ends_with(expected.as_bytes()), "{dialogue:?}: {}", replies.escape_ascii());
    }
    let mut driver = Driver::new(limits());
    driver.take_replies();
    driver.push(b"LHLO\r\nLHLO c\r\n");
    let refused = [reply::NOT_IMPLEMENTED.as_bytes(); 2].concat();
    assert_eq!(driver.take_replies(), refused);
}

#[test]
fn lmtp_answers_once_per_recipient_a_portion_at_a_time() {
    const RECIPIENTS: usize = 5000;
    let policy = Policy::of(Protocol::Lmtp, "sink.example", "127.0.0.1:24", Limits::default());
    let client = Client::Unix;
    let (mut session, mut desk) = (Session::new(client, Arc::new(policy)), Desk::new(1 << 20));
    let rcpt = "RCPT TO:<a@b.example>\r\n".repeat(RECIPIENTS);
    let mut open = format!("LHLO c\r\nMAIL FROM:<>\r\n{rcpt}DATA\r\n").into_bytes();
    while !open.is_empty() {
        let (octets, _) = session.feed(&open, &mut desk);
        open.drain(..octets);
        desk.replies.clear();
    }
    struct Name;
    impl Receipt for Name {
        fn write_name(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"17:3");
        }
    }
    session.accept(&Name, &mut desk);
    let mut replies = 0;
    loop {
        assert!(desk.replies.len() <= REPLIES_BYTES_PAUSE + 100, "{} octets", desk.replies.len());
        let text = String::from_utf8(std::mem::take(&mut desk.replies)).unwrap();
        assert!(text.lines().all(|line| line == "250 2.1.5 Ok 17:3"), "{text}");
        replies += text.lines().count();
        if !session.owes_replies() {
            break;
        }
        assert!(session.in_transaction());
        // Nothing is consumed before the replies to what came earlier are on their way.
        let (octets, step) = session.feed(b"NOOP\r\n", &mut desk);
        if step != Step::Drain {
            assert_eq!(octets, 6);
            let end = desk.replies.len() - reply::NOOP_OK.as_bytes().len();
            desk.replies.truncate(end);
        }
    }
    assert_eq!(replies, RECIPIENTS);
    assert!(!session.in_transaction());
    session.abandon(&mut desk);
}
