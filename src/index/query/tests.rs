//! Tests of queries with sample messages, and against a model without optimizations.
use proptest::prelude::*;

use super::testkit::{MAIL, check_query, columns, runs};
use super::tree::Node;
use super::*;
use crate::index::{Columns, TextColumn};
use crate::smtp::deviation::{Deviation, Deviations};
use crate::smtp::tls::TlsVersion;
use crate::time::{Span, UnixNs};

const NOW_NS: UnixNs = UnixNs::of_second(1_795_248_000);

fn parsed(text: &str) -> Query {
    Query::parse(text, NOW_NS, &runs()).unwrap_or_else(|e| panic!("{e}\n{}", e.pointed_out(text)))
}

fn holds(text: &str) -> bool {
    check_query(text.as_bytes());
    parsed(text).matches_message(&columns(), MAIL, &mut Scratch::default())
}

#[test]
fn queries_match_the_right_mail() {
    for (text, expected) in [
        ("", true),
        ("order", true),
        ("ORDER dear", true),
        ("order nothing", false),
        ("\"your order\"", true),
        ("\"order your\"", false),
        ("ord", false),
        ("ord*", true),
        ("\"dear b\"*", true),
        ("invoice", false),
        ("subject:order", true),
        ("subject:dear", false),
        ("Subject:\"order 4711\"", true),
        ("body:dear", true),
        ("body:order", false),
        ("body:\"thank you\"", true),
        ("from:ann@example.org", true),
        ("from:bounce@EXAMPLE.org", true),
        ("from:org", true),
        ("from:<>", false),
        ("to:example.com", true),
        ("to:@example.com", false),
        ("to:@mail.example.com", true),
        ("cc:example.com", false),
        ("header:x-campaign", true),
        ("header:X-Campaign=SPRING", true),
        ("header:X-Campaign=\"sale spring\"", false),
        ("header:X-Campaign=spr*", true),
        ("header:X-Other", false),
        ("message-id:1@example.org", true),
        ("message-id:<1@example.org>", true),
        ("message-id:1@Example.org", false),
        ("has:attachment", true),
        ("filename:invoice", true),
        ("filename:inv*", true),
        ("filename:.PDF", true),
        ("filename:*voice.pdf", true),
        ("filename:.doc", false),
        ("size:>100", true),
        ("size:1K..", false),
        ("before:2026-11-21", false),
        ("after:2026-11-21", true),
        ("after:2026-11-21T08:00:00Z", true),
        ("before:2026-11-21T08:00:00Z", false),
        ("after:10m", true),
        ("run:nightly", true),
        ("run:now", false),
        ("listener:mx-a", true),
        ("LISTENER:\"mx-a\"", true),
        ("listener:MX-A", false),
        ("listener:mx", false),
        ("-listener:[::1]:25", true),
        ("auth:ann has:auth", true),
        ("tls:1.3 has:tls -tls:none -tls:1.2", true),
        ("tls:none", false),
        ("auth:Ann", false),
        ("deviation:no-brackets", true),
        ("deviation:dots", false),
        ("has:deviation", true),
        ("-has:deviation", false),
        ("-order", false),
        ("NOT order", false),
        ("--order", true),
        ("nothing OR order", true),
        ("nothing OR order dull", false),
        ("(nothing OR order) dear", true),
        ("order AND dear", true),
        ("-(nothing OR dull)", true),
        ("order -subject:invoice -has:attachment", false),
        ("or", false),
        ("12:30 OR 4711", true),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn queries_are_displayed_as_text() {
    for (text, expected) in [
        ("", ""),
        ("  a   AND b ", "a b"),
        ("a OR (b OR c)", "a OR b OR c"),
        ("(a b) c OR d", "a b c OR d"),
        ("(a OR b) c", "(a OR b) c"),
        ("NOT (a b)", "-(a b)"),
        ("NOT -a", "--a"),
        ("\"OR\" \"-x\" re-x ann@x.org inv*", "\"OR\" \"-x\" \"re-x\" ann@x.org inv*"),
        ("SUBJECT:\"a \\\"b\\\\\"", "subject:\"a \\\"b\\\\\""),
        ("from:<Ann@Example.org> to:@x cc:x from:<>", "from:ann@example.org to:@x cc:x from:<>"),
        ("header:X=\"a\"* header:Y", "header:X=a* header:Y"),
        ("message-id:a@b", "message-id:<a@b>"),
        ("filename:.PDF filename:a*", "filename:\"*.pdf\" filename:a*"),
        ("size:1K..2K size:>1", "size:1024..2048 size:>=2"),
        ("after:10m", "after:2026-11-21T07:50:00Z"),
        ("run:nightly", "run:nightly"),
        ("listener:127.0.0.1:25", "listener:127.0.0.1:25"),
        ("listener:\"unix:/a (b)\"", "listener:\"unix:/a (b)\""),
        ("listener:\"mx\" has:deviation", "listener:mx has:deviation"),
        ("auth:\"ann b\" -has:auth", "auth:\"ann b\" -has:auth"),
        ("Deviation:\"hello-name\"", "deviation:hello-name"),
    ] {
        assert_eq!(parsed(text).to_string(), expected, "{text}");
        check_query(text.as_bytes());
    }
}

#[test]
fn errors_say_what_and_where() {
    let name = |n: &str| n.to_owned();
    for (text, at, fault) in [
        ("a OR", 2..4, QueryFault::NothingAfter("OR")),
        ("a AND OR b", 2..5, QueryFault::NothingAfter("AND")),
        ("NOT", 0..3, QueryFault::NothingAfter("NOT")),
        ("-)", 0..1, QueryFault::NothingAfter("-")),
        ("OR a", 0..2, QueryFault::NothingBefore("OR")),
        ("(AND a)", 1..4, QueryFault::NothingBefore("AND")),
        ("a (b", 2..3, QueryFault::UnclosedParenthesis),
        ("a (", 2..3, QueryFault::UnclosedParenthesis),
        ("a) b", 1..2, QueryFault::StrayParenthesis),
        (")", 0..1, QueryFault::StrayParenthesis),
        ("a ( )", 2..5, QueryFault::EmptyParentheses),
        ("ä \"b", 3..5, QueryFault::UnclosedQuote),
        ("x re:y", 2..6, QueryFault::UnknownField(name("re"))),
        ("https://x", 0..9, QueryFault::UnknownField(name("https"))),
        ("subject:", 0..8, QueryFault::NoValue("subject", "invoice")),
        ("subject: a", 0..8, QueryFault::NoValue("subject", "invoice")),
        ("subject:(a)", 0..8, QueryFault::NoValue("subject", "invoice")),
        ("header:X=", 0..9, QueryFault::NoValue("header", "X-Campaign=spring")),
        ("?!", 0..2, QueryFault::NoWords),
        ("*", 0..1, QueryFault::NoWords),
        ("subject:\"\"", 0..10, QueryFault::NoValue("subject", "invoice")),
        ("a*b", 0..3, QueryFault::StarInside),
        ("**", 0..2, QueryFault::StarInside),
        ("filename:*a*", 0..12, QueryFault::StarInside),
        ("from:\"ex\"*", 0..10, QueryFault::StarNotHere("from")),
        ("from:a,b*", 0..9, QueryFault::NotAnAddress),
        ("from:\"Ann Smith\"", 0..16, QueryFault::NotAnAddress),
        ("to:<>", 0..5, QueryFault::NotAnAddress),
        ("header:", 0..7, QueryFault::NotAHeader(name("header:"))),
        ("header:=x", 0..9, QueryFault::NotAHeader(name("header:=x"))),
        ("header:\"X\"", 0..10, QueryFault::NotAHeader(name("header:\"X\""))),
        ("has:link", 0..8, QueryFault::NotAThing(name("has:link"))),
        ("size:big", 0..8, QueryFault::NotASize(name("size:big"))),
        ("size:<0", 0..7, QueryFault::EmptySize),
        ("a listener:", 2..11, QueryFault::NoValue("listener", "mx-a")),
        ("listener:mx-*", 0..13, QueryFault::StarNotHere("listener")),
        ("deviation:", 0..10, QueryFault::NoValue("deviation", "no-brackets")),
        ("deviation:Dots", 0..14, QueryFault::NotADeviation(name("Dots"))),
        ("run:absent", 0..10, QueryFault::UnknownRun(name("absent"))),
    ] {
        let error = Query::parse(text, NOW_NS, &runs()).unwrap_err();
        assert_eq!((error.at, error.fault), (at, fault), "{text}");
    }
    let error = Query::parse("before:soon", NOW_NS, &runs()).unwrap_err();
    assert!(
        matches!(error.fault, QueryFault::NotAMoment(_)) && error.to_string().contains("'soon'")
    );
}

#[test]
fn length_terms_and_depth_are_bounded() {
    let fault = |text: &str| Query::parse(text, UnixNs::EPOCH, &runs()).map_err(|e| e.fault);
    let a = |n| "a".repeat(n);
    assert!(fault(&a(BYTES_MAX)).is_ok());
    assert_eq!(fault(&a(BYTES_MAX + 1)), Err(QueryFault::TooLong));
    assert_eq!(fault(&"ü".repeat(BYTES_MAX)), Err(QueryFault::TooLong));
    assert!(fault(&"a ".repeat(TERMS_MAX)).is_ok());
    assert_eq!(fault(&"a ".repeat(TERMS_MAX + 1)), Err(QueryFault::TooManyTerms));
    let deep = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(fault(&deep(DEPTH_MAX - 1)).is_ok());
    assert_eq!(fault(&deep(DEPTH_MAX)), Err(QueryFault::TooDeep));
    assert_eq!(fault(&deep(1000)), Err(QueryFault::TooDeep));
    let not = |n: usize| format!("{}a", "-".repeat(n));
    assert!(fault(&not(DEPTH_MAX - 1)).is_ok());
    assert_eq!(fault(&not(DEPTH_MAX)), Err(QueryFault::TooDeep));
}

#[test]
fn the_span_is_as_narrow_as_the_query_says() {
    let (s, ago) = (UnixNs::of_second, |s: u64| NOW_NS.saturating_sub_ns(s * 1_000_000_000));
    for (text, since_ns, until_ns) in [
        ("", None, None),
        ("a", None, None),
        ("after:2026-11-21T08:00:00Z", Some(NOW_NS), None),
        ("before:0s", None, Some(NOW_NS)),
        ("-before:0s a", Some(NOW_NS), None),
        ("after:10s before:5s", Some(ago(10)), Some(ago(5))),
        ("after:10s OR before:20s", None, None),
        ("before:10s OR before:20s", None, Some(ago(10))),
        ("after:10s OR a", None, None),
        ("-(after:10s OR a)", None, Some(ago(10))),
        ("-(after:10s a)", None, None),
        ("run:nightly b", Some(s(1_795_240_000)), Some(s(1_795_250_000))),
        ("run:now", Some(s(1_795_260_000)), None),
        ("-run:now", None, None),
        ("after:5s before:10s", Some(ago(5)), Some(ago(5))),
        ("after:5s before:10s OR after:3s", Some(ago(3)), None),
    ] {
        assert_eq!(parsed(text).span(), Span { since_ns, until_ns }, "{text}");
    }
}

/// A message whose columns and octets agree.
#[derive(Debug, Clone)]
struct SampleMail {
    received_at_ns: UnixNs,
    reverse_path: &'static str,
    forward_paths: &'static str,
    subject: &'static str,
    body: &'static str,
    campaign: Option<&'static str>,
    file_name: Option<&'static str>,
    listener: &'static str,
    user: &'static str,
    tls: Option<TlsVersion>,
    deviations: Deviations,
}

impl SampleMail {
    fn octets(&self) -> Vec<u8> {
        let campaign = self.campaign.map_or(String::new(), |c| format!("X-Campaign: {c}\r\n"));
        let SampleMail { subject, body, .. } = self;
        let attached = self.file_name.map_or(String::new(), |name| {
            format!("--b\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\nred\r\n")
        });
        let text = format!(
            "Subject: {subject}\r\n{campaign}Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n{attached}--b--\r\n"
        );
        text.into_bytes()
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            received_at_ns: self.received_at_ns,
            message_bytes: self.octets().len() as u64,
            reverse_path: self.reverse_path,
            forward_paths: TextColumn(self.forward_paths),
            subject: self.subject,
            has_attachment: self.file_name.is_some(),
            file_names: TextColumn(self.file_name.unwrap_or("")),
            listener: self.listener,
            auth_user: self.user,
            tls: self.tls,
            deviations: self.deviations,
            ..Columns::default()
        }
    }
}

const WORDS: [&str; 5] = ["red", "Red green", "GRÜN", "green blue red", "赤と青"];

fn mails() -> impl Strategy<Value = SampleMail> {
    let paths = ["", "ann@example.org", "bob@mail.example.org\ncid@x.net", "Cid@X.net"];
    let word = || prop::sample::select(&WORDS[..]);
    let path = move || prop::sample::select(paths.to_vec());
    let maybe = || prop::option::of(prop::sample::select(&WORDS[..]));
    let name = prop::option::of(prop::sample::select(vec!["red.pdf", "Grün.doc", "b.PDF"]));
    let listener = prop::sample::select(vec!["mx-a", "mx-b", ""]);
    let kinds = vec![Deviation::Dots, Deviation::NoBrackets];
    let deviations = prop::sample::subsequence(kinds, 0..=2)
        .prop_map(|kinds| kinds.into_iter().map(Deviations::only).fold(Deviations::NONE, both));
    let user = prop::sample::select(vec!["ann", "Ann", ""]);
    let tls = prop::sample::select(vec![None, Some(TlsVersion::V1_2), Some(TlsVersion::V1_3)]);
    let sent = (listener, deviations, user, tls);
    (0u64..6, path(), path(), word(), word(), maybe(), name, sent).prop_map(
        |(second, reverse_path, forward_paths, subject, body, campaign, file_name, sent)| {
            SampleMail {
                received_at_ns: NOW_NS.saturating_sub_ns(second * 1_000_000_000),
                reverse_path: reverse_path.lines().next().unwrap_or(""),
                forward_paths,
                subject,
                body,
                campaign,
                file_name,
                listener: sent.0,
                deviations: sent.1,
                user: sent.2,
                tls: sent.3,
            }
        },
    )
}

fn both(one: Deviations, other: Deviations) -> Deviations {
    one.union(other)
}

/// Generates queries as people might write them.
fn queries() -> impl Strategy<Value = String> {
    let term = prop::sample::select(vec![
        "red",
        "gre*",
        "\"red green\"",
        "grun",
        "赤",
        "blue",
        "subject:red",
        "body:red",
        "subject:\"green blue\"",
        "body:青",
        "from:example.org",
        "from:<>",
        "to:cid@x.net",
        "to:example.org",
        "to:@example.org",
        "from:B*",
        "to:*@example.org",
        "header:X-Campaign",
        "header:X-Campaign=red",
        "header:Subject=green",
        "has:attachment",
        "filename:red",
        "filename:.pdf",
        "size:>300",
        "size:..310",
        "after:3s",
        "before:2s",
        "run:nightly",
        "run:now",
        "message-id:a",
        "listener:mx-a",
        "auth:ann",
        "has:auth",
        "tls:1.2",
        "tls:1.3",
        "tls:none",
        "has:tls",
        "deviation:dots",
        "has:deviation",
    ]);
    term.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|q| format!("-({q})")),
            inner.clone().prop_map(|q| format!("NOT ({q})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|q| format!("({})", q.join(") ("))),
            prop::collection::vec(inner, 2..4).prop_map(|q| q.join(" OR ")),
        ]
    })
}

/// Matches a query without columns, folding or ordering: compares the words of each text.
fn model(node: &Node, mail: &SampleMail) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|n| model(n, mail)),
        Node::Or(nodes) => nodes.iter().any(|n| model(n, mail)),
        Node::Not(node) => !model(node, mail),
        Node::Term(term) => term_model(&term.to_string(), mail),
    }
}

/// Splits a text into words, for the texts used in these tests.
fn words_of(text: &str) -> Vec<String> {
    let simple = text.to_lowercase().replace('ü', "u");
    let apart: String =
        simple.chars().map(|c| if c.is_ascii() { c.into() } else { format!(" {c} ") }).collect();
    let words = apart.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
    words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn has_words(text: &str, wanted: &str) -> bool {
    let (words, is_prefix) = (words_of(wanted), wanted.ends_with('*'));
    words_of(text).windows(words.len()).any(|window| {
        let (last, before) = window.split_last().unwrap();
        let wanted_last = words.last().unwrap();
        let fits = if is_prefix { last.starts_with(wanted_last) } else { last == wanted_last };
        fits && before == &words[..words.len() - 1]
    })
}

fn is_addressed(paths: &str, wanted: &str) -> bool {
    paths.lines().map(str::to_lowercase).any(|path| {
        if let Some(start) = wanted.strip_suffix('*') {
            path.starts_with(start)
        } else if let Some(end) = wanted.strip_prefix('*') {
            path.ends_with(end)
        } else if wanted.starts_with('@') {
            path.ends_with(wanted)
        } else if wanted.contains('@') {
            path == wanted
        } else {
            path.ends_with(&format!("@{wanted}")) || path.ends_with(&format!(".{wanted}"))
        }
    })
}

fn term_model(term: &str, mail: &SampleMail) -> bool {
    let Some((field, value)) = term.split_once(':').filter(|_| !term.starts_with('"')) else {
        return has_words(mail.subject, term) || has_words(mail.body, term);
    };
    let size = mail.octets().len() as u64;
    match (field, value) {
        ("subject", _) => has_words(mail.subject, value),
        ("body", _) => has_words(mail.body, value),
        ("from", "<>") => mail.reverse_path.is_empty(),
        ("from", _) => is_addressed(mail.reverse_path, value),
        ("to", _) => is_addressed(mail.forward_paths, value),
        ("header", "X-Campaign") => mail.campaign.is_some(),
        ("header", _) => match value.split_once('=').unwrap() {
            ("Subject", value) => has_words(mail.subject, value),
            (_, value) => mail.campaign.is_some_and(|c| has_words(c, value)),
        },
        ("has", "attachment") => mail.file_name.is_some(),
        ("has", "auth") => !mail.user.is_empty(),
        ("has", "tls") => mail.tls.is_some(),
        ("tls", _) => mail.tls.map_or("none", TlsVersion::number) == value,
        ("has", _) => mail.deviations != Deviations::NONE,
        ("listener", _) => mail.listener == value,
        ("auth", _) => mail.user == value,
        ("deviation", _) => mail.deviations.names().split(", ").any(|name| name == value),
        ("filename", "\"*.pdf\"") => {
            mail.file_name.is_some_and(|n| n.to_lowercase().ends_with(".pdf"))
        }
        ("filename", _) => mail.file_name.is_some_and(|n| has_words(n, value)),
        ("size", ">=301") => size > 300,
        ("size", "<=310") => size <= 310,
        ("after", _) => mail.received_at_ns >= NOW_NS.saturating_sub_ns(3_000_000_000),
        ("before", _) => mail.received_at_ns < NOW_NS.saturating_sub_ns(2_000_000_000),
        ("run", "nightly") => true,
        ("run" | "message-id", _) => false,
        other => unreachable!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn matching_agrees_with_the_model(text in queries(), mail in mails()) {
        let (query, mut scratch) = (parsed(&text), Scratch::default());
        let expected = model(&query.root, &mail);
        let columns = mail.columns();
        prop_assert_eq!(query.matches_message(&columns, &mail.octets(), &mut scratch), expected);
        let decided = query.matches_columns(&columns, &mut scratch);
        prop_assert!(decided.is_none_or(|is_true| is_true == expected), "{:?}", decided);
        prop_assert!(decided.is_some() || query.needs_message());
        let (span, at_ns) = (query.span(), mail.received_at_ns);
        prop_assert!(span.contains(at_ns) || !expected, "{:?}", span);
    }

    #[test]
    fn a_displayed_query_parses_to_the_same_query(text in queries()) {
        check_query(text.as_bytes());
        let shown = parsed(&text).to_string();
        prop_assert_eq!(parsed(&shown).to_string(), shown);
    }

    #[test]
    fn negation_follows_logic(a in queries(), b in queries(), mail in mails()) {
        let answer = |text: &str| {
            let (query, mut scratch) = (parsed(text), Scratch::default());
            let columns = mail.columns();
            let matches_columns = query.matches_columns(&columns, &mut scratch);
            (matches_columns, query.matches_message(&columns, &mail.octets(), &mut scratch))
        };
        prop_assert_eq!(answer(&format!("-(({a}) ({b}))")), answer(&format!("-({a}) OR -({b})")));
        prop_assert_eq!(answer(&format!("-(({a}) OR ({b}))")), answer(&format!("-({a}) -({b})")));
        prop_assert_eq!(answer(&format!("--({a})")), answer(&a));
    }

    #[test]
    fn any_text_is_a_query_or_an_error(text in "(?s).{0,40}") {
        check_query(text.as_bytes());
    }

    #[test]
    fn texts_that_are_nearly_queries(pieces in prop::collection::vec(prop::sample::select(vec![
        " ", "(", ")", "-", "\"", "*", "\\", ":", "=", "OR", "AND", "NOT", "a", "ü", "赤", ".", "@",
        "<", ">", "..", "1K", "subject:",
        "from:", "header:", "filename:", "size:", "after:", "run:",
        "has:attachment", "message-id:", "10m", "now",
    ]), 0..14)) {
        check_query(pieces.concat().as_bytes());
    }
}
