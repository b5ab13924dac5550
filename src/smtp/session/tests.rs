//! Tests of single steps of a session. Whole dialogues are tested with the real server, in
//! `tests/sink`.
use super::*;
use crate::smtp::limits::{Protocol, SessionLimits};
use crate::smtp::policy::PolicyOptions;
use crate::smtp::workspace::TransactionEvent;

const OPEN: &str = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 168, "{} octets", size_of::<Session>());
}

fn limits() -> SessionLimits {
    SessionLimits {
        message_bytes_max: 100,
        recipients_max: 2,
        command_line_bytes_max: 64,
        ..SessionLimits::default()
    }
}

#[test]
fn mark_commands_have_their_replies() {
    let (mark, start, stop) = ("sinkd mark half way", "sinkd run start one", "sinkd run stop");
    for (argument, outcome, expected) in [
        (mark, MarkOutcome::Taken, &reply::MARK_TAKEN),
        (start, MarkOutcome::Taken, &reply::RUN_BEGINS),
        (stop, MarkOutcome::Taken, &reply::RUN_ENDS),
        (mark, MarkOutcome::Malformed, &reply::MARK_SYNTAX),
        (start, MarkOutcome::Malformed, &reply::RUN_NAME_SYNTAX),
        (start, MarkOutcome::NameTaken, &reply::RUN_NAME_TAKEN),
        (stop, MarkOutcome::NoRun, &reply::NO_RUN),
        (mark, MarkOutcome::TooFast, &reply::MARKS_TOO_FAST),
        (mark, MarkOutcome::TooMany, &reply::MARKS_TOO_MANY),
    ] {
        let (mut session, mut workspace) = requested_mark(argument);
        let mark_command = workspace.mark_command.take().unwrap();
        session.mark_answered(&mark_command, outcome, &mut workspace);
        assert_eq!(workspace.replies, expected.as_bytes(), "{argument}");
        // The open transaction is not affected.
        assert_eq!(session.feed(b"DATA\r\n", &mut workspace), (6, Step::Data), "{argument}");
        session.abandon(&mut workspace);
    }
}

/// Returns a session in a transaction after a NOOP with this argument.
fn requested_mark(argument: &str) -> (Session, Workspace) {
    let (mut session, mut workspace) = with_marks();
    let dialogue = format!("{OPEN}NOOP {argument}\r\n");
    let found = session.feed(dialogue.as_bytes(), &mut workspace);
    assert_eq!(found, (dialogue.len(), Step::MarkCommand), "{argument}");
    workspace.replies.clear();
    (session, workspace)
}

#[test]
fn noop_without_a_mark_command_does_nothing() {
    let (allowed, not_allowed) = (with_marks(), session());
    for ((mut session, mut workspace), line) in [
        (allowed, &b"NOOP\r\nNOOP sinkd mrak x\r\n"[..]),
        (not_allowed, b"NOOP\r\nNOOP sinkd mark x\r\n"),
    ] {
        assert_eq!(session.feed(line, &mut workspace), (line.len(), Step::NeedInput));
        assert_eq!(workspace.replies, [reply::NOOP_OK.as_bytes(); 2].concat());
    }
}

fn with_marks() -> (Session, Workspace) {
    let options = PolicyOptions::new("sink.example", "127.0.0.1:1025", limits());
    let policy = Policy::from_options(PolicyOptions { noop_marks: true, ..options });
    (Session::new(Client::Unix, Arc::new(policy)), Workspace::new(1 << 20))
}

fn session() -> (Session, Workspace) {
    let policy = Arc::new(Policy::new("sink.example", "127.0.0.1:1025", limits()));
    (Session::new(Client::Tcp(([192, 0, 2, 1], 9).into()), policy), Workspace::new(1 << 20))
}

fn in_data() -> (Session, Workspace) {
    let (mut session, mut workspace) = session();
    let dialogue = format!("{OPEN}DATA\r\n");
    assert_eq!(session.feed(dialogue.as_bytes(), &mut workspace), (dialogue.len(), Step::Data));
    workspace.replies.clear();
    (session, workspace)
}

#[test]
fn refusals_and_farewells_have_their_replies() {
    for (refusal, expected, step) in [
        (Refusal::TooLarge, &reply::TOO_LARGE, Step::NeedInput),
        (Refusal::NoStorage, &reply::NO_STORAGE, Step::NeedInput),
        (Refusal::StorageFailed, &reply::STORAGE_FAILED, Step::NeedInput),
        (Refusal::Stopping, &reply::STOPPING, Step::Close),
    ] {
        let (mut session, mut workspace) = in_data();
        assert!(session.in_transaction());
        session.refuse(refusal, &mut workspace);
        assert_eq!(workspace.replies, expected.as_bytes());
        assert!(!session.in_transaction());
        assert_eq!(session.feed(b"", &mut workspace), (0, step));
        assert_eq!(workspace.envelope_bytes_lent(), 0);
    }
    for (farewell, expected) in [
        (Farewell::Timeout, &reply::TIMEOUT),
        (Farewell::Stopping, &reply::STOPPING),
        (Farewell::TooManyConnections, &reply::TOO_MANY_CONNECTIONS),
        (Farewell::TooManyFromAddress, &reply::TOO_MANY_FROM_ADDRESS),
        (Farewell::OutOfBuffers, &reply::OUT_OF_BUFFERS),
    ] {
        let (mut session, mut workspace) = in_data();
        session.farewell(farewell, &mut workspace);
        assert_eq!(workspace.replies, expected.as_bytes());
        assert_eq!(session.feed(b"NOOP\r\n", &mut workspace), (0, Step::Close));
        assert_eq!(workspace.envelope_bytes_lent(), 0);
    }
}

#[test]
fn transactions_begin_and_end_as_events_in_order() {
    use TransactionEvent::{Began, Ended, TooLarge};
    let rcpt = "RCPT TO:<c@d>\r\n";
    for (dialogue, expected) in [
        ("EHLO c\r\nRSET\r\n".into(), &[][..]),
        ("MAIL FROM:<a@b>\r\n".into(), &[]), // no EHLO
        (OPEN.into(), &[Began]),
        (format!("{OPEN}MAIL FROM:<a@b>\r\n"), &[Began]),
        (format!("{OPEN}RSET\r\nRSET\r\nMAIL FROM:<a@b>\r\n"), &[Began, Ended, Began]),
        (format!("{OPEN}EHLO c\r\n"), &[Began, Ended]),
        (format!("{OPEN}QUIT\r\n"), &[Began, Ended]),
        (format!("{OPEN}BDAT 101 LAST\r\n"), &[Began, TooLarge]),
        (format!("{OPEN}{rcpt}DATA\r\n"), &[Began]),
    ] {
        let (mut session, mut workspace) = session();
        session.feed(dialogue.as_bytes(), &mut workspace);
        assert_eq!(workspace.events, expected, "{dialogue}");
        workspace.events.clear();
        let is_open = session.in_transaction();
        session.farewell(Farewell::Timeout, &mut workspace);
        let last: &[TransactionEvent] = if is_open { &[Ended] } else { &[] };
        assert_eq!(workspace.events, last, "{dialogue}, at the end");
    }
}

#[test]
fn a_refused_chunk_ends_the_transaction() {
    let (mut session, mut workspace) = session();
    let dialogue = format!("{OPEN}BDAT 3\r\n");
    let (consumed, step) = session.feed(dialogue.as_bytes(), &mut workspace);
    assert_eq!(
        (consumed, step),
        (dialogue.len(), Step::Chunk { bytes: 3, last: false, first: true })
    );
    session.refuse(Refusal::NoStorage, &mut workspace);
    assert_eq!(session.feed(b"BDAT 2 LAST\r\n", &mut workspace).1, Step::DiscardChunk { bytes: 2 });
    workspace.replies.clear();
    session.chunk_received(&mut workspace);
    assert_eq!(workspace.replies, reply::CHUNK_OUT_OF_SEQUENCE.as_bytes());
}

#[test]
fn feed_pauses_when_replies_grow() {
    let (mut session, mut workspace) = session();
    let commands = b"HELP\r\n".repeat(2000);
    let (mut consumed, mut pauses) = (0, 0);
    loop {
        let (octets, step) = session.feed(&commands[consumed..], &mut workspace);
        consumed += octets;
        assert!(workspace.replies.len() <= REPLIES_BYTES_PAUSE + 1024);
        workspace.replies.clear();
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
    let (mut session, mut workspace) = session();
    let piece = [b'x'; 1000];
    for _ in 0..1000 {
        let (consumed, step) = session.feed(&piece, &mut workspace);
        assert_eq!((consumed, step), (1000, Step::NeedInput));
    }
    assert_eq!(session.feed(b"\r", &mut workspace), (0, Step::NeedInput));
    assert!(workspace.replies.is_empty());
    assert_eq!(session.feed(b"\r\nNOOP\r\n", &mut workspace), (8, Step::NeedInput));
    let expected = [reply::LINE_TOO_LONG.as_bytes(), reply::NOOP_OK.as_bytes()].concat();
    assert_eq!(workspace.replies, expected);
}

#[test]
fn nothing_is_read_after_data_chunk_and_quit() {
    for (dialogue, step) in [
        (format!("{OPEN}DATA\r\n"), Step::Data),
        (format!("{OPEN}BDAT 9\r\n"), Step::Chunk { bytes: 9, last: false, first: true }),
        ("EHLO c\r\nBDAT 9\r\n".to_string(), Step::DiscardChunk { bytes: 9 }),
        ("QUIT\r\n".to_string(), Step::Close),
    ] {
        let (mut session, mut workspace) = session();
        let garbage = format!("{dialogue}\r\nNOOP\r\nQUIT\r\n\0\0");
        assert_eq!(session.feed(garbage.as_bytes(), &mut workspace), (dialogue.len(), step));
        session.abandon(&mut workspace);
    }
}

#[test]
fn lmtp_replies_once_per_recipient_in_portions() {
    const RECIPIENTS: usize = 5000;
    let limits = SessionLimits::default();
    let options = PolicyOptions::new("sink.example", "127.0.0.1:24", limits);
    let policy = Policy::from_options(PolicyOptions { protocol: Protocol::Lmtp, ..options });
    let client = Client::Unix;
    let (mut session, mut workspace) =
        (Session::new(client, Arc::new(policy)), Workspace::new(1 << 20));
    let rcpt = "RCPT TO:<a@b.example>\r\n".repeat(RECIPIENTS);
    let mut open = format!("LHLO c\r\nMAIL FROM:<>\r\n{rcpt}DATA\r\n").into_bytes();
    while !open.is_empty() {
        let (octets, _) = session.feed(&open, &mut workspace);
        open.drain(..octets);
        workspace.replies.clear();
    }
    struct Name;
    impl Receipt for Name {
        fn write_name(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(b"17:3");
        }
    }
    session.accept(&Name, &mut workspace);
    let mut replies = 0;
    loop {
        assert!(
            workspace.replies.len() <= REPLIES_BYTES_PAUSE + 100,
            "{} octets",
            workspace.replies.len()
        );
        let text = String::from_utf8(std::mem::take(&mut workspace.replies)).unwrap();
        assert!(text.lines().all(|line| line == "250 2.1.5 Ok 17:3"), "{text}");
        replies += text.lines().count();
        if !session.owes_replies() {
            break;
        }
        assert!(session.in_transaction());
        // Nothing is consumed before the replies to earlier commands are sent.
        let (octets, step) = session.feed(b"NOOP\r\n", &mut workspace);
        if step != Step::Drain {
            assert_eq!(octets, 6);
            let end = workspace.replies.len() - reply::NOOP_OK.as_bytes().len();
            workspace.replies.truncate(end);
        }
    }
    assert_eq!(replies, RECIPIENTS);
    assert!(!session.in_transaction());
    session.abandon(&mut workspace);
}
