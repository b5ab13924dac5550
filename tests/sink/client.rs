//! The client session: golden dialogues, and dialogues with our own server session over byte pipes.
//!
//! A dialogue (`tests/dialogues/client/*.txt`) is a list of lines; `#` begins a comment.
//!
//! ```text
//! options: lmtp pipelining chunking depth=2     default: none; also: ambiguous,
//!          tls-offered, tls-required, auth=strongest, auth=plain (or another mechanism)
//! mail: 2 Hello\r\n                             a message to N recipients (stuffed, if dotted)
//! binary: 1 Hello\r\n                           a message with BODY=BINARYMIME
//! utf8: 1 Hello\r\n                             a message from an address that is not ASCII
//! S: 250 ok                                     the server sends this reply
//! S! 250 ok                                     a reply before whose next line we write nothing
//! S+ 220 go                                     a reply in one read with its next line
//! handshake                                     TLS begins, and its handshake is done
//! C: MAIL FROM:<a@example.org>                  what we wrote, line by line (C~ without a line end)
//! = 0 answered 250                              a message is done: how, and its recipients' codes
//! = 1 answered 421, turned away                 another connection may accept it
//! fault: …                                      the session can't continue
//! closed                                        the session ended by QUIT
//! ```
//!
//! `UPDATE_GOLDEN=1 cargo test --test sink client` rewrites the client's lines.
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sinkd::server::testkit::{Dialogue, Trust, small_limits, with_trusting_sink};
use sinkd::smtp::client::testkit::{Ended, TestClient, check_replies, mail};
use sinkd::smtp::client::{
    ContentForm, Options, OutgoingMail, Protocol, ReplyCode, SessionEnd, StartTls,
};
use sinkd::smtp::envelope;
use sinkd::smtp::limits::{SessionLimits, Syntax};
use sinkd::smtp::sasl::{Account, Mechanism, Preference};

fn options_of(text: &str) -> Options {
    let mut options = Options::plain(Protocol::Smtp, "client.example");
    for word in text.split_whitespace() {
        match word {
            "lmtp" => options.protocol = Protocol::Lmtp,
            "pipelining" => options.pipelining = true,
            "chunking" => options.chunking = true,
            "ambiguous" => options.sends_ambiguous = true,
            "tls-offered" => options.start_tls = StartTls::Offered,
            "tls-required" => options.start_tls = StartTls::Required,
            _ => match word.split_once('=').unwrap() {
                ("depth", depth) => options.depth = depth.parse().unwrap(),
                ("auth", name) => {
                    options.account = Some(account(Mechanism::from_name(name.as_bytes())))
                }
                _ => panic!("{word}"),
            },
        }
    }
    options
}

/// An account for Ann, with this mechanism or the strongest one.
fn account(mechanism: Option<Mechanism>) -> Arc<Account> {
    let preference = mechanism.map_or(Preference::Strongest, Preference::Only);
    Arc::new(Account::new("ann", b"s3cr3t".to_vec(), preference).unwrap())
}

fn mail_of(text: &str) -> OutgoingMail {
    let (recipients, content) = text.split_once(' ').unwrap();
    let content = content.replace("\\r", "\r").replace("\\n", "\n");
    let dots = u32::from(content.starts_with('.')) + content.matches("\r\n.").count() as u32;
    let form = if dots > 0 { ContentForm::Stuffed { dots } } else { ContentForm::Clean };
    mail(recipients.parse().unwrap(), content.as_bytes(), form)
}

/// State of the last call, so that only changes are reported.
struct Seen {
    ended: usize,
    is_closed: bool,
}

fn report(talk: &mut TestClient, seen: &mut Seen, out: &mut String) {
    for (number, end, codes) in &talk.log.ended[seen.ended..] {
        let end = match end {
            SessionEnd::Answered => "answered",
            SessionEnd::NotSent => "not sent",
            SessionEnd::Unknown => "unknown",
            SessionEnd::Withheld(why) => &format!("withheld ({why:?})"),
        };
        let codes: Vec<String> =
            codes.iter().map(|code| code.map_or(0, ReplyCode::number).to_string()).collect();
        write!(out, "= {number} {end} {}", codes.join(" ")).unwrap();
        for (numbers, what) in
            [(&talk.log.turned_away, "turned away"), (&talk.log.ambiguous, "ambiguous")]
        {
            if numbers.contains(number) {
                write!(out, ", {what}").unwrap();
            }
        }
        writeln!(out).unwrap();
    }
    seen.ended = talk.log.ended.len();
    if talk.session.is_closed() && !seen.is_closed {
        seen.is_closed = true;
        match talk.session.fault() {
            Some(fault) => writeln!(out, "fault: {fault}").unwrap(),
            None => writeln!(out, "closed").unwrap(),
        }
    }
    if talk.session.wants_handshake() {
        writeln!(out, "handshake").unwrap();
        talk.secure();
    }
    let written = if seen.is_closed { Vec::new() } else { talk.write_all() };
    for line in written.split_inclusive(|octet| *octet == b'\n') {
        let text = String::from_utf8_lossy(line);
        match text.strip_suffix("\r\n") {
            Some(text) => writeln!(out, "C: {text}").unwrap(),
            None => writeln!(out, "C~ {text}").unwrap(),
        }
    }
}

fn replay(text: &str) -> String {
    let (mut out, mut options, mut mails) = (String::new(), options_of(""), Vec::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with('S')) {
        match line.split_once(": ") {
            Some(("options", text)) => options = options_of(text),
            Some(("mail", text)) => mails.push(mail_of(text)),
            Some(("binary", text)) => {
                let mut mail = mail_of(text);
                mail.from(b"a@example.org", b"BODY=BINARYMIME");
                mails.push(mail);
            }
            Some(("utf8", text)) => {
                let mut mail = mail_of(text);
                mail.from("\u{e9}@example.org".as_bytes(), b"");
                mails.push(mail);
            }
            _ => assert!(line.starts_with('#'), "{line}"),
        }
        writeln!(out, "{line}").unwrap();
    }
    let mut talk = TestClient::new(options, mails);
    let mut seen = Seen { ended: 0, is_closed: false };
    let mut read = String::new();
    for line in lines.filter(|line| line.starts_with('S')) {
        writeln!(out, "{line}").unwrap();
        writeln!(read, "{}\r", &line[3..]).unwrap();
        if line.starts_with("S+") {
            continue;
        }
        talk.feed(std::mem::take(&mut read).as_bytes());
        if line.starts_with("S:") {
            report(&mut talk, &mut seen, &mut out);
        }
    }
    report(&mut talk, &mut seen, &mut out);
    talk.session.lost(&mut talk.log);
    report(&mut talk, &mut seen, &mut out);
    talk.finish();
    out
}

#[test]
fn golden_dialogues_match() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/client");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let held = replay(&text);
        if update {
            std::fs::write(&path, &held).unwrap();
        } else {
            assert!(held == text, "{}: now it is\n{held}", path.display());
        }
        count += 1;
    }
    assert!(count >= 15, "{count} dialogues");
}

/// A message: recipients, content, and whether it is passed raw or already stuffed.
type Message = (usize, Vec<u8>, bool);

fn message() -> impl Strategy<Value = Message> {
    let piece =
        prop::sample::select(vec!["", ".", "a", "..", "\r\n", "\r\n.", "\n", "é", "xy\r\n"]);
    let content = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    (1..6usize, content.prop_map(String::into_bytes), any::<bool>())
}

fn make((recipients, content, is_raw): &Message) -> OutgoingMail {
    let mut made = mail(*recipients, content, ContentForm::Raw);
    if !is_raw {
        made.stuff();
    }
    made
}

/// The client's result for each message; the contents and paths that the server has; whether the
/// session came to its end.
type Talked = (Vec<Ended>, Vec<Vec<u8>>, Vec<Vec<Vec<u8>>>, bool);

/// Runs a dialogue between a client with `options` and a sink.
fn run_dialogue(
    options: Options,
    limits: &SessionLimits,
    messages: &[Message],
    cuts: &[usize],
) -> Talked {
    let protocol = options.protocol;
    let trust = if options.account.is_some() { Trust::Auth } else { Trust::None };
    let client = TestClient::new(options, messages.iter().map(make).collect());
    with_trusting_sink(limits, Syntax::Strict, trust, |sink| {
        run_dialogue_with(client, sink.connect(protocol), cuts)
    })
}

/// Splits the octets of each side into pieces of cycling sizes.
fn run_dialogue_with(mut client: TestClient, mut server: Dialogue<'_>, cuts: &[usize]) -> Talked {
    let mut cuts = cuts.iter().copied().cycle();
    loop {
        let replies = server.take_replies();
        let mut rest = &replies[..];
        while !rest.is_empty() && !client.session.is_closed() {
            let (piece, others) = rest.split_at(rest.len().min(cuts.next().unwrap()));
            client.feed(piece);
            rest = others;
        }
        if client.session.is_closed() || !client.session.has_output() {
            break;
        }
        server.send(&client.write(cuts.next().unwrap()));
    }
    let is_whole = client.session.fault().is_none();
    let (mut contents, mut paths) = (Vec::new(), Vec::new());
    for stored in server.take_stored() {
        contents.push(stored.message());
        let decoded = envelope::decode(&stored.envelope).unwrap();
        paths.push(decoded.recipients().map(|r| r.path.to_vec()).collect());
    }
    assert!(server.leave().stored.is_empty(), "nothing is stored after the client has left");
    (client.finish().ended, contents, paths, is_whole)
}

proptest! {
    #[test]
    fn server_and_client_agree_on_what_was_delivered(
        messages in prop::collection::vec(message(), 0..8),
        cuts in prop::collection::vec(1..200usize, 1..10),
        (is_lmtp, pipelining, chunking) in any::<(bool, bool, bool)>(),
        depth in 1..5usize,
        joined_bytes_max in prop::sample::select(vec![0, 20, 4096]),
        limits in prop_oneof![Just(SessionLimits::default()), (0..4u8).prop_map(small_limits)],
        account in prop::option::of(prop::option::of(prop::sample::select(&Mechanism::ALL[..]))),
    ) {
        let account = account.map(self::account);
        let protocol = if is_lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let options = Options {
            pipelining,
            chunking,
            depth,
            joined_bytes_max,
            sends_ambiguous: true,
            account: account.clone(),
            ..Options::plain(protocol, "client.example")
        };
        let (ended, contents, paths, is_whole) =
            run_dialogue(options.clone(), &limits, &messages, &cuts);
        let mut stored = contents.iter().zip(&paths);
        for (number, end, codes) in &ended {
            let (recipients, content, _) = &messages[*number];
            prop_assert_eq!(codes.len(), *recipients);
            let taken: Vec<_> = (0..*recipients).filter(|at| codes[*at].is_some_and(ReplyCode::is_positive)).collect();
            if taken.is_empty() {
                // The message can be stored if the client reports so, and otherwise not.
                if *end == SessionEnd::Unknown && is_whole {
                    prop_assert!(false, "{number}: a whole session leaves nothing open");
                }
                continue;
            }
            let (found, found_paths) = stored.next().expect("accepted messages are stored");
            let wanted: Vec<_> =
                taken.iter().map(|at| format!("r{at}@example.com").into_bytes()).collect();
            prop_assert_eq!(found_paths, &wanted);
            // DATA can't carry a last line without its line end.
            let is_same = found == content || found == &[&content[..], b"\r\n"].concat();
            prop_assert!(is_same, "{:?} {:?}", found.escape_ascii().to_string(), content);
        }
        prop_assert!(stored.next().is_none() || !is_whole, "stored messages were reported as accepted");
        if is_whole {
            // The MAILMAX that the server announces is respected.
            let started = limits.messages_max.map_or(messages.len(), |max| {
                messages.len().min(usize::try_from(max).unwrap())
            });
            prop_assert_eq!(ended.len(), started);
            let whole = run_dialogue(options, &limits, &messages, &[usize::MAX]);
            prop_assert_eq!(whole, (ended, contents, paths, is_whole));
        }
    }

    #[test]
    fn any_replies(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_replies(&bytes);
    }

    #[test]
    fn replies_of_all_sorts(
        variant in any::<u8>(),
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "220 a", "250 ok", "250-PIPELINING", "250-CHUNKING", "250 SIZE", "354 go", "421 bye",
                "450 later", "503 what", "550 no", "221 bye", "250", "nonsense", "200-x", "334 ",
                "334 PDEuMUBteD4=", "235 ok", "250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2",
                "250 STARTTLS", "535 no", "454 later",
            ]),
            0..40,
        ),
    ) {
        let mut bytes = vec![variant];
        // Most servers send a greeting.
        bytes.extend_from_slice(b"220 hello\r\n250-me\r\n250-PIPELINING\r\n250-STARTTLS\r\n");
        bytes.extend_from_slice(b"250-AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2\r\n250 CHUNKING\r\n");
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        check_replies(&bytes);
    }
}
