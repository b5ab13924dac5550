//! Command sequences, limits and every reply of the real server.
use std::collections::BTreeSet;
use std::path::Path;

use sinkd::config::{Auth, AuthSettings, Config, MemorySettings};
use sinkd::server::testkit::{Observed, OneByOne, Trust, with_sink, with_trusting_sink};
use sinkd::smtp::envelope::FIELD_HEADER_BYTES;
use sinkd::smtp::limits::{Protocol, SessionLimits, Syntax};
use sinkd::smtp::reply::{self, Reply};

const OPEN: &str = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

fn limits() -> SessionLimits {
    SessionLimits {
        message_bytes_max: 100,
        recipients_max: 2,
        command_line_bytes_max: 64,
        ..SessionLimits::default()
    }
}

fn text(reply: &Reply) -> &'static str {
    std::str::from_utf8(reply.as_bytes()).unwrap()
}

/// Returns the outcome of `dialogue` when the client sends all of it at once.
fn outcome_of(sink: &mut OneByOne, protocol: Protocol, dialogue: &str) -> Observed {
    let mut session = sink.connect(protocol);
    session.send(dialogue.as_bytes());
    session.leave()
}

fn outcome_with(protocol: Protocol, dialogue: &str, limits: SessionLimits) -> Observed {
    with_sink(&limits, Syntax::Strict, |sink| outcome_of(sink, protocol, dialogue))
}

/// Returns the last reply, all its lines.
fn last_of(outcome: &Observed) -> String {
    let text = std::str::from_utf8(&outcome.replies).unwrap();
    let lines: Vec<&str> = text.split_inclusive("\r\n").collect();
    let is_inner = |line: &&&str| line.as_bytes()[3] == b'-';
    let inner = lines.iter().rev().skip(1).take_while(is_inner).count();
    lines[lines.len() - 1 - inner..].concat()
}

/// Returns the last reply to `dialogue`, all its lines.
fn last_reply(dialogue: &str, limits: SessionLimits) -> String {
    last_of(&outcome_with(Protocol::Smtp, dialogue, limits))
}

#[track_caller]
fn check(seen: &mut BTreeSet<&'static str>, dialogue: &str, expected: &'static Reply) {
    assert_eq!(last_reply(dialogue, limits()), text(expected), "{dialogue:?}");
    seen.insert(expected.name);
}

/// Replies that other tests cover: the test, or the file of a dialogue, and its replies.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("the_envelope_budget_is_answered_with_452", &["ENVELOPE_STORAGE"]),
    (
        "refusals_and_farewells_have_their_replies",
        &[
            "NO_STORAGE",
            "STORAGE_FAILED",
            "STOPPING",
            "TIMEOUT",
            "TOO_MANY_CONNECTIONS",
            "TOO_MANY_FROM_ADDRESS",
            "OUT_OF_BUFFERS",
        ],
    ),
    ("the_lists_of_a_listener_decide_which_clients_it_serves", &["DENIED"]),
    ("submission_requires_fully_qualified_domains", &["SENDER_PARTIAL", "RECIPIENT_PARTIAL"]),
    (
        "lmtp_specific_replies_are_sent",
        &["LMTP_HELP", "LHLO_NOT_EHLO", "LHLO_NAME_SYNTAX", "LHLO_FIRST"],
    ),
    (
        "mark_commands_have_their_replies",
        &[
            "MARK_TAKEN",
            "RUN_BEGINS",
            "RUN_ENDS",
            "MARK_SYNTAX",
            "RUN_NAME_SYNTAX",
            "RUN_NAME_TAKEN",
            "NO_RUN",
            "MARKS_TOO_FAST",
            "MARKS_TOO_MANY",
        ],
    ),
    ("too_many_errors_end_the_session_with_421", &["TOO_MANY_ERRORS"]),
    ("too_many_messages_end_the_session_with_421", &["TOO_MANY_MESSAGES"]),
    (
        "replies_to_xclient_name_the_error",
        &[
            "XCLIENT_FORM",
            "XCLIENT_ATTRIBUTE",
            "XCLIENT_TWICE",
            "XCLIENT_VALUE",
            "XCLIENT_NAME",
            "XCLIENT_ADDR",
            "XCLIENT_PORT",
            "XCLIENT_PROTO",
            "XCLIENT_HELO",
            "XCLIENT_LOGIN",
            "XCLIENT_NESTED",
        ],
    ),
    (
        "replies_to_auth_state_the_result",
        &[
            "AUTH_OK",
            "AUTH_CHALLENGE",
            "AUTH_TOO_LONG",
            "AUTH_FORM",
            "AUTH_BASE64",
            "AUTH_RESPONSE",
            "AUTH_CANCELED",
            "AUTH_NESTED",
            "AUTH_TWICE",
            "AUTH_MECHANISM",
            "AUTH_REQUIRED",
            "AUTH_REJECTED",
            "AUTH_DEFERRED",
        ],
    ),
    ("dialogues/tls.txt", &["TLS_READY", "STARTTLS_TWICE", "STARTTLS_NESTED"]),
    ("dialogues/tls_required.txt", &["STARTTLS_FIRST"]),
    ("plain_text_to_an_implicit_tls_port_is_answered_in_plain_text", &["TLS_EXPECTED"]),
    ("tls_to_a_plain_text_port_gets_a_reply_and_is_counted", &["PLAIN_EXPECTED"]),
    ("starttls_is_unavailable_during_too_many_handshakes", &["TLS_UNAVAILABLE"]),
];

/// Returns the text of a dialogue below tests, or of the function of a test.
fn source_of(place: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if place.starts_with("dialogues/") {
        return std::fs::read_to_string(root.join("tests").join(place)).unwrap();
    }
    let files = [
        "tests/sink/replies.rs",
        "tests/sink/listener_options.rs",
        "tests/sink/tls.rs",
        "src/smtp/session/tests.rs",
    ];
    let texts = files.into_iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap());
    let body = |text: String| {
        let (_, rest) = text.split_once(&format!("\nfn {place}("))?;
        rest.split_once("\n}\n").map(|(body, _)| body.to_owned())
    };
    texts.into_iter().find_map(body).unwrap_or_else(|| panic!("no test {place}"))
}

// Long on purpose: one row per reply, so that a missing reply is obvious.
#[test]
fn every_reply_is_tested() {
    let mut seen = BTreeSet::new();
    let rows: [(&str, &'static Reply); 51] = [
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
        ("\r\n", &reply::PROXY_UNEXPECTED),
        ("EHLO c\r\n\r\n", &reply::UNKNOWN),
        ("PROXY UNKNOWN\r\n", &reply::PROXY_UNEXPECTED),
        ("EHLO c\r\nPROXY UNKNOWN\r\n", &reply::UNKNOWN),
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
        ("XCLIENT ADDR=192.0.2.7\r\n", &reply::XCLIENT_DENIED),
        ("BDAT {64}\r\n", &reply::CHUNK_SIZE_LOST),
    ];
    for (dialogue, expected) in rows {
        let dialogue = dialogue.replace("{OPEN}", OPEN);
        let dialogue = dialogue.replace("{64}", &"x".repeat(64)).replace("{101}", &"x".repeat(101));
        check(&mut seen, &dialogue, expected);
    }
    for (place, names) in ELSEWHERE {
        let text = source_of(place);
        for name in *names {
            let reply = reply::ALL.iter().find(|reply| reply.name == *name).expect(name);
            // Code, enhanced code and the first words.
            let beginning = self::text(reply).get(..30).unwrap_or(self::text(reply)).trim_end();
            let is_there = text.contains(&format!("reply::{name}")) || text.contains(beginning);
            assert!(is_there, "{place} does not test {name}");
        }
        seen.extend(names.iter().copied());
    }
    let all: BTreeSet<_> = reply::ALL.iter().map(|reply| reply.name).collect();
    assert_eq!(seen, all);
}

/// RFC 6409 section 4.2.
#[test]
fn submission_requires_fully_qualified_domains() {
    let open = "EHLO c\r\nMAIL FROM:<a@b.example>\r\n";
    let mail = |path: &str| format!("EHLO c\r\nMAIL FROM:<{path}>\r\n");
    let rcpt = |path: &str| format!("{open}RCPT TO:<{path}>\r\n");
    for (dialogue, expected) in [
        (mail("a@b"), &reply::SENDER_PARTIAL),
        (mail("\"a.b@c.d\"@e"), &reply::SENDER_PARTIAL),
        (mail(""), &reply::MAIL_OK),
        (mail("a@b.example"), &reply::MAIL_OK),
        (mail("a@[127.0.0.1]"), &reply::MAIL_OK),
        (rcpt("c@localhost"), &reply::RECIPIENT_PARTIAL),
        (rcpt("c@d.example"), &reply::RCPT_OK),
        (rcpt("c@[IPv6:::1]"), &reply::RCPT_OK),
        (rcpt("Postmaster"), &reply::RCPT_OK),
        ("MAIL FROM:<a@b>\r\n".into(), &reply::EHLO_FIRST),
        ("EHLO c\r\nRCPT TO:<c@d>\r\n".into(), &reply::MAIL_FIRST),
    ] {
        let outcome = outcome_with(Protocol::Submission, &dialogue, limits());
        assert_eq!(last_of(&outcome), text(expected), "{dialogue:?}");
    }
    // A listener for SMTP accepts such addresses, and this one still does after a refusal.
    assert_eq!(last_reply(&mail("a@b"), limits()), text(&reply::MAIL_OK));
    let both = format!("{}MAIL FROM:<a@b.example>\r\n", mail("a@b"));
    let outcome = outcome_with(Protocol::Submission, &both, limits());
    assert_eq!(last_of(&outcome), text(&reply::MAIL_OK));
}

#[test]
fn replies_to_xclient_name_the_error() {
    let nested = format!("{OPEN}XCLIENT ADDR=192.0.2.7\r\n");
    let rows: [(&str, &'static Reply); 12] = [
        ("XCLIENT\r\n", &reply::XCLIENT_FORM),
        ("XCLIENT A=1\r\n", &reply::XCLIENT_ATTRIBUTE),
        ("XCLIENT PORT=1 PORT=1\r\n", &reply::XCLIENT_TWICE),
        ("XCLIENT HELO=a+b\r\n", &reply::XCLIENT_VALUE),
        ("XCLIENT NAME=-\r\n", &reply::XCLIENT_NAME),
        ("XCLIENT ADDR=::1\r\n", &reply::XCLIENT_ADDR),
        ("XCLIENT DESTPORT=-1\r\n", &reply::XCLIENT_PORT),
        ("XCLIENT PROTO=QMTP\r\n", &reply::XCLIENT_PROTO),
        ("XCLIENT HELO=+20\r\n", &reply::XCLIENT_HELO),
        ("XCLIENT LOGIN=+00\r\n", &reply::XCLIENT_LOGIN),
        (&nested, &reply::XCLIENT_NESTED),
        ("XCLIENT NAME={64}\r\n", &reply::LINE_TOO_LONG),
    ];
    for (dialogue, expected) in rows {
        let dialogue = dialogue.replace("{64}", &"x".repeat(64));
        let outcome = with_trusting_sink(&limits(), Syntax::Strict, Trust::Xclient, |sink| {
            outcome_of(sink, Protocol::Smtp, &dialogue)
        });
        assert_eq!(last_of(&outcome), text(expected), "{dialogue:?}");
    }
}

/// Returns the last reply of a sink with these settings.
fn of_auth(mode: Auth, is_required: bool, dialogue: &str) -> String {
    let auth = AuthSettings { is_required, ..mode.into() };
    let config = Config { limits: limits(), auth, ..Config::default() };
    last_of(&outcome_of(&mut OneByOne::from_config(config), Protocol::Smtp, dialogue))
}

#[test]
fn replies_to_auth_state_the_result() {
    use Auth::{Any, Defer, Off, Reject};
    let ann = "EHLO c\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n";
    let long = format!("EHLO c\r\nAUTH LOGIN\r\n{}\r\n", "A".repeat(12_288));
    let longest = format!("EHLO c\r\nAUTH LOGIN\r\n{}\r\n", "A".repeat(12_284));
    for (auth, dialogue, expected) in [
        (Off, ann.to_owned(), &reply::NOT_IMPLEMENTED),
        (Any, "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n".into(), &reply::EHLO_FIRST),
        (Any, ann.into(), &reply::AUTH_OK),
        (Any, ann.replace("PLAIN", "plain"), &reply::AUTH_OK),
        (Any, "EHLO c\r\nAUTH PLAIN\r\nAGFubgBzZWNyZXQ=\r\n".into(), &reply::AUTH_OK),
        (Any, "EHLO c\r\nAUTH LOGIN\r\nYW5u\r\neA==\r\n".into(), &reply::AUTH_OK),
        (Any, "EHLO c\r\nAUTH PLAIN\r\n".into(), &reply::AUTH_CHALLENGE),
        (Reject, ann.into(), &reply::AUTH_REJECTED),
        (Defer, ann.into(), &reply::AUTH_DEFERRED),
        (Any, format!("{ann}{}", &ann[8..]), &reply::AUTH_TWICE),
        (Any, format!("{ann}EHLO c\r\n{}", &ann[8..]), &reply::AUTH_TWICE),
        (Any, format!("{OPEN}AUTH PLAIN\r\n"), &reply::AUTH_NESTED),
        (Any, "EHLO c\r\nAUTH\r\n".into(), &reply::AUTH_FORM),
        (Any, "EHLO c\r\nAUTH PLAIN a b\r\n".into(), &reply::AUTH_FORM),
        (Any, "EHLO c\r\nAUTH SCRAM-SHA-256\r\n".into(), &reply::AUTH_MECHANISM),
        (Any, "EHLO c\r\nAUTH PLAIN a\r\n".into(), &reply::AUTH_BASE64),
        (Any, "EHLO c\r\nAUTH PLAIN =\r\n".into(), &reply::AUTH_RESPONSE),
        (Any, "EHLO c\r\nAUTH LOGIN\r\nQUIT\r\n".into(), &reply::AUTH_RESPONSE),
        (Any, "EHLO c\r\nAUTH LOGIN\r\n*\r\n".into(), &reply::AUTH_CANCELED),
        (Any, "EHLO c\r\nAUTH LOGIN\r\n*\r\nNOOP\r\n".into(), &reply::NOOP_OK),
        (Any, long.clone(), &reply::AUTH_TOO_LONG),
        (Any, format!("{long}NOOP\r\n"), &reply::NOOP_OK),
        (Any, longest, &reply::AUTH_RESPONSE),
    ] {
        assert_eq!(of_auth(auth, false, &dialogue), text(expected), "{auth:?} {dialogue:.80?}");
    }
    let mail = "MAIL FROM:<>\r\n";
    for (dialogue, expected) in [
        (format!("EHLO c\r\n{mail}"), &reply::AUTH_REQUIRED),
        (format!("{ann}{mail}"), &reply::MAIL_OK),
        (format!("{ann}EHLO d\r\nRSET\r\n{mail}"), &reply::MAIL_OK),
    ] {
        assert_eq!(of_auth(Auth::Any, true, &dialogue), text(expected), "{dialogue:?}");
    }
}

/// RFC 4954 section 5: where AUTH is not offered, the parameter does not exist.
#[test]
fn auth_parameters_require_auth() {
    let mail = |parameters: &str| format!("EHLO c\r\nMAIL FROM:<a@b>{parameters}\r\n");
    for (auth, parameters, expected) in [
        (Auth::Off, " AUTH=<>", &reply::PARAMETER_UNKNOWN),
        (Auth::Any, " AUTH=<>", &reply::MAIL_OK),
        (Auth::Any, " SIZE=5 auth=e+3Dmc2@example.com", &reply::MAIL_OK),
        (Auth::Any, " AUTH=a=b", &reply::PARAMETER_SYNTAX),
        (Auth::Any, " AUTH=", &reply::PARAMETER_SYNTAX),
        (Auth::Any, " AUTH=<> AUTH=<>", &reply::PARAMETER_SYNTAX),
        (Auth::Any, " AUTH=<> X=1", &reply::PARAMETER_UNKNOWN),
        (Auth::Off, " AUTH=a=b", &reply::PARAMETER_UNKNOWN),
        (Auth::Any, "  AUTH=<>", &reply::PARAMETER_SYNTAX),
    ] {
        let (limits, syntax) = (limits(), Syntax::Strict);
        let config = Config { limits, auth: auth.into(), syntax, ..Config::default() };
        let outcome =
            outcome_of(&mut OneByOne::from_config(config), Protocol::Smtp, &mail(parameters));
        assert_eq!(last_of(&outcome), text(expected), "{auth:?}{parameters}");
    }
    let lenient = Config { auth: Auth::Any.into(), ..Config::default() };
    let dialogue = mail(" AUTH=<>") + "RCPT TO:<c@d>\r\nBDAT 0 LAST\r\n";
    let outcome = outcome_of(&mut OneByOne::from_config(lenient), Protocol::Smtp, &dialogue);
    assert!(outcome.tolerated.is_empty(), "it breaks no rule: {:?}", outcome.tolerated);
}

#[test]
fn the_envelope_budget_is_answered_with_452() {
    let whole = envelope_bytes();
    let after_mail = whole - FIELD_HEADER_BYTES - "c@d".len();
    let mail = "EHLO c\r\nMAIL FROM:<a@b>\r\n";
    for (dialogue, envelope_bytes, expected) in [
        (mail, after_mail - 1, &reply::ENVELOPE_STORAGE),
        (mail, after_mail, &reply::MAIL_OK),
        (OPEN, whole - 1, &reply::ENVELOPE_STORAGE),
        (OPEN, whole, &reply::RCPT_OK),
    ] {
        let memory = MemorySettings { envelope_bytes, ..MemorySettings::default() };
        let config = Config { limits: limits(), memory, ..Config::default() };
        let reply =
            last_of(&outcome_of(&mut OneByOne::from_config(config), Protocol::Smtp, dialogue));
        assert_eq!(reply, text(expected), "{envelope_bytes} for {dialogue:?}");
    }
}

/// Returns the octets of the envelope that [`OPEN`] creates.
fn envelope_bytes() -> usize {
    let one = outcome_with(Protocol::Smtp, &format!("{OPEN}BDAT 0 LAST\r\n"), limits());
    one.stored[0].envelope.len()
}

#[test]
fn too_many_errors_end_the_session_with_421() {
    let limits = SessionLimits { errors_max: Some(2), ..limits() };
    assert_eq!(last_reply("X\r\nX\r\n", limits.clone()), text(&reply::UNKNOWN));
    assert_eq!(last_reply("X\r\nX\r\nNOOP\r\n", limits.clone()), text(&reply::NOOP_OK));
    let replies = last_reply("X\r\nX\r\nX\r\nNOOP\r\n", limits);
    assert_eq!(replies, text(&reply::TOO_MANY_ERRORS));
}

#[test]
fn too_many_messages_end_the_session_with_421() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\nx";
    let limits = SessionLimits { messages_max: Some(2), ..limits() };
    let run = |messages: usize| {
        let dialogue = format!("EHLO c\r\n{}NOOP\r\n", message.repeat(messages));
        last_reply(&dialogue, limits.clone())
    };
    assert_eq!(run(1), text(&reply::NOOP_OK));
    assert_eq!(run(2), text(&reply::NOOP_OK));
    assert_eq!(run(3), text(&reply::TOO_MANY_MESSAGES));
}

#[test]
fn command_lines_are_limited_to_command_line_bytes_max() {
    for (octets, expected) in
        [(63, &reply::NOOP_OK), (64, &reply::NOOP_OK), (65, &reply::LINE_TOO_LONG)]
    {
        let line = format!("NOOP {}\r\n", "x".repeat(octets - 7));
        assert_eq!(line.len(), octets);
        assert_eq!(last_reply(&line, limits()), text(expected));
    }
}

#[test]
fn recipients_are_limited_by_recipients_max_and_envelope_bytes_max() {
    let rcpt = |count: usize| format!("{OPEN}{}", "RCPT TO:<c@d>\r\n".repeat(count - 1));
    let last = |count, limits| last_reply(&rcpt(count), limits);
    assert_eq!(last(1, limits()), text(&reply::RCPT_OK));
    assert_eq!(last(2, limits()), text(&reply::RCPT_OK));
    assert_eq!(last(3, limits()), text(&reply::TOO_MANY_RECIPIENTS));
    let one = envelope_bytes();
    let field = FIELD_HEADER_BYTES + "c@d".len();
    for (envelope_bytes_max, expected) in [
        (one + field - 1, &reply::TOO_MANY_RECIPIENTS),
        (one + field, &reply::RCPT_OK),
        (one + field + 1, &reply::RCPT_OK),
    ] {
        let limits = SessionLimits { envelope_bytes_max, ..limits() };
        assert_eq!(last(2, limits), text(expected));
    }
}

#[test]
fn messages_are_limited_to_message_bytes_max() {
    for (octets, code) in [(99, "250"), (100, "250"), (101, "552")] {
        let data = format!("{OPEN}DATA\r\n{}\r\n.\r\n", "x".repeat(octets - 2));
        // A stuffed dot is not counted (RFC 1870 5).
        let stuffed = format!("{OPEN}DATA\r\n..{}\r\n.\r\n", "x".repeat(octets - 3));
        let chunks =
            format!("{OPEN}BDAT 1\r\nxBDAT {} LAST\r\n{}", octets - 1, "x".repeat(octets - 1));
        let declared = format!("EHLO c\r\nMAIL FROM:<> SIZE={octets}\r\n");
        for dialogue in [data, stuffed, chunks, declared] {
            let reply = last_reply(&dialogue, limits());
            assert!(reply.starts_with(code), "{dialogue}");
        }
    }
}

#[test]
fn ehlo_and_rset_reset_the_transaction() {
    for reset in ["EHLO c", "HELO c", "RSET"] {
        let dialogue = format!("{OPEN}{reset}\r\nDATA\r\n");
        let reply = last_reply(&dialogue, limits());
        assert_eq!(reply, text(&reply::MAIL_FIRST), "{reset}");
        let dialogue = format!("{OPEN}BDAT 3\r\nabc{reset}\r\nBDAT 1 LAST\r\nx");
        let reply = last_reply(&dialogue, limits());
        assert_eq!(reply, text(&reply::CHUNK_OUT_OF_SEQUENCE), "{reset}");
    }
    // A failed EHLO changes nothing (RFC 5321 4.1.4).
    let dialogue = format!("{OPEN}EHLO\r\nDATA\r\n");
    let reply = last_reply(&dialogue, limits());
    assert_eq!(reply, text(&reply::START_DATA));
}

#[test]
fn lmtp_specific_replies_are_sent() {
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
        let outcome = outcome_with(Protocol::Lmtp, &dialogue.replace("{OPEN}", open), limits());
        assert_eq!(last_of(&outcome), text(expected), "{dialogue:?}");
    }
    let replies = outcome_with(Protocol::Smtp, "LHLO\r\nLHLO c\r\n", limits()).replies;
    let refused = text(&reply::NOT_IMPLEMENTED).repeat(2);
    assert_eq!(
        String::from_utf8(replies).unwrap(),
        format!("220 sink.example ESMTP sinkd\r\n{refused}")
    );
}
