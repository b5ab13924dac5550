//! Parsing of real-world mail: each file in `tests/mail`, with LF and with CRLF, and mail built to
//! break parsers.
//!
//! `NAME.txt` next to each `NAME.eml` holds the expected result. `UPDATE_GOLDEN=1` rewrites these
//! files; review the diff.
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sinkd::mime::part::{self, DEPTH_MAX, PARTS_MAX, Part, PartKind};
use sinkd::mime::{header, link, text};

/// Far longer than linear parsing takes, far shorter than quadratic parsing would.
const PATIENCE: Duration = Duration::from_secs(20);

/// Describes a parsed mail, one line per property, the text last.
fn report(message: &[u8]) -> String {
    let mut report = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(report, "{name}: {}", value.escape_debug()).unwrap();
    };
    for field in header::fields(message).filter(|f| f.is_named("Subject")) {
        line("subject", &field.decoded());
    }
    let taken = part::parts(message);
    for part in &taken.parts {
        line("part", &format!("{}{}", "  ".repeat(part.depth), shown(part)));
    }
    for link in link::links(message) {
        line("link", &link);
    }
    match text::plain(message) {
        None => line("text", "none"),
        Some(text) => {
            report.push_str("text:\n");
            for line in text.replace("\r\n", "\n").lines() {
                let line =
                    line.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
                writeln!(report, "| {}", &line[..line.floor_char_boundary(200)]).unwrap();
            }
        }
    }
    report
}

/// Contents differ in their line ends, except those of binary parts, which have none.
fn shown(part: &Part<'_>) -> String {
    let content = part.content().iter().filter(|b| **b != b'\r').count();
    let octets = if part.kind == PartKind::Leaf { format!(" {content}") } else { String::new() };
    let attached = if part.is_attachment() { " attached" } else { "" };
    let name = part.file_name.as_ref().map_or(String::new(), |name| format!(" {name}"));
    format!("{}{octets}{attached}{name}", part.content_type)
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let mut mails: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    mails.retain(|path| path.extension().is_some_and(|e| e == "eml"));
    mails.sort();
    mails
}

/// Turns each LF without a CR into CRLF.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut converted = Vec::new();
    for octet in message {
        if *octet == b'\n' && converted.last() != Some(&b'\r') {
            converted.push(b'\r');
        }
        converted.push(*octet);
    }
    converted
}

#[test]
fn every_mail_parses_as_expected_with_lf_and_with_crlf() {
    let mails = corpus();
    assert!(mails.len() >= 50, "{}", mails.len());
    for path in mails {
        let message = fs::read(&path).unwrap();
        assert!(!message.contains(&b'\r'), "{}: the corpus is kept with LF", path.display());
        let found = report(&message);
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(found, expected, "{} with LF", path.display());
        assert_eq!(report(&with_crlf(&message)), expected, "{} with CRLF", path.display());
    }
}

#[test]
fn a_mail_truncated_anywhere_is_parsed_without_a_panic() {
    for path in corpus() {
        let message = fs::read(&path).unwrap();
        let step = (message.len() / 200).max(1);
        for end in (0..message.len()).step_by(step) {
            report(&message[..end]);
            report(&with_crlf(&message[..end]));
        }
    }
}

/// Calls every accessor of a mail and returns its folded words.
fn read_all(message: &[u8]) -> String {
    let began = Instant::now();
    let mut words = String::new();
    text::fold_body(message, &mut words);
    report(message);
    text::html(message);
    header::fields(message).for_each(|field| drop(field.decoded()));
    let took = began.elapsed();
    assert!(took < PATIENCE, "{} octets took {took:?}", message.len());
    words
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[test]
fn thousands_of_parts_are_read_up_to_a_bound() {
    let many = format!("{MIXED}{}", "--b\r\n\r\nword\r\n".repeat(100_000));
    assert!(read_all(many.as_bytes()).starts_with(" word \n word \n"));
    assert_eq!(part::parts(many.as_bytes()).parts.len(), PARTS_MAX);
    // Each part searches for a closing boundary that never comes.
    let unclosed = "--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nword\r\n";
    assert!(read_all(format!("{MIXED}{}", unclosed.repeat(12_000)).as_bytes()).contains(" word "));
    let html = "--b\r\nContent-Type: text/html\r\n\r\n<p>word\r\n";
    let alternatives = format!("{MIXED}{}", html.repeat(12_000)).replace("mixed", "alternative");
    assert!(read_all(alternatives.as_bytes()).contains(" word "));
}

#[test]
fn nested_messages_are_read_up_to_a_bound() {
    let forwarded = "Content-Type: message/rfc822\r\n\r\n";
    for depth in [DEPTH_MAX, DEPTH_MAX + 1] {
        let message = format!("{}\r\nword\r\n", forwarded.repeat(depth));
        assert_eq!(read_all(message.as_bytes()).contains(" word "), depth == DEPTH_MAX);
    }
    read_all(forwarded.repeat(100_000).as_bytes());
    let mut nested = String::new();
    for level in 0..12_000 {
        write!(nested, "--{level}\r\nContent-Type: multipart/x; boundary={}\r\n\r\n", level + 1)
            .unwrap();
    }
    read_all(format!("Content-Type: multipart/x; boundary=0\r\n\r\n{nested}").as_bytes());
}

#[test]
fn headers_of_megabytes_are_read() {
    let many = "X-Header: value\r\n".repeat(70_000);
    read_all(format!("{many}\r\nword\r\n").as_bytes());
    let folded = format!("Subject: {}\r\n\r\nword\r\n", "a\r\n ".repeat(100_000));
    read_all(folded.as_bytes());
    for piece in ["=?aa?q?b ", "=?", "=?utf-8?q?=3D?= ", "=?utf-8?b?", "?=", "=?a?q?"] {
        let broken = format!("Subject: {}\r\n\r\nword\r\n", piece.repeat(50_000));
        assert_eq!(read_all(broken.as_bytes()), " word \n", "{piece}");
    }
    for parameter in ["x*1=abcdef;", "x=\"y\";", "x*0*=a'b'c;", "(", "\"", "=", "boundary=b;"] {
        let odd = format!("Content-Type: text/plain; {}\r\n\r\nx", parameter.repeat(50_000));
        read_all(odd.as_bytes());
    }
}

#[test]
fn html_of_megabytes_is_read() {
    for piece in [
        "<",
        "<a ",
        "<a href=",
        "<a href=\"",
        "<!--",
        "<!-- -->",
        "</",
        "<style>",
        "<style></styl",
        "&",
        "&#",
        "&amp",
        "&amp;",
        "<p>",
        "<a b='",
        "<div><table><tr><td>",
        "http://",
        "://",
        "(http://a",
    ] {
        let html = piece.repeat((256 << 10) / piece.len());
        read_all(format!("Content-Type: text/html\r\n\r\nword {html}").as_bytes());
        read_all(format!("\r\nword {html}").as_bytes());
    }
}

#[test]
fn encodings_and_charsets_of_megabytes_are_read() {
    for piece in [
        "=", "=3", "=3D", "= \r\n", "QUJD", "Q===", "\r\n", "\0", "e\u{301}", "\u{fdfa}", "!", "~",
        "~{", "\u{e}", "\u{1b}(B", "+",
    ] {
        let body = piece.repeat((64 << 10) / piece.len());
        for encoding in ["base64", "quoted-printable", "8bit"] {
            for charset in
                ["utf-8", "utf-7", "utf-16", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "gb18030"]
            {
                let header = format!(
                    "Content-Type: text/plain; charset={charset}\r\n\
                     Content-Transfer-Encoding: {encoding}\r\n\r\n"
                );
                read_all(format!("{header}{body}").as_bytes());
            }
        }
    }
    // An endless run of combining marks on one letter.
    read_all(format!("\r\na{}", "\u{5b0}\u{5b8}".repeat(100_000)).as_bytes());
    read_all(format!("\r\na{}", "\u{3099}\u{316}".repeat(100_000)).as_bytes());
}
