//! Replies and stored bytes do not depend on how the client's octets were split.
use proptest::prelude::*;
use sinkd::server::testkit::{ClientDialect, Trust, check_session, run_cut, small_limits};
use sinkd::smtp::data::{EndOfData, scan_slowly, unstuff};
use sinkd::smtp::limits::Protocol;
use std::path::Path;

/// A command line with its CRLF, valid or not.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::sample::select(vec![
        "EHLO client.example",
        "HELO client.example",
        "LHLO client.example",
        "MAIL FROM:<a@b.example>",
        "MAIL FROM:<> SIZE=10 BODY=8BITMIME",
        "MAIL FROM:<a@b.example> BODY=BINARYMIME",
        "MAIL FROM:<é@b.example> SMTPUTF8",
        "RCPT TO:<c@d.example>",
        "RCPT TO:<\"a \\\" b\"@[IPv6:::1]> NOTIFY=NEVER",
        "RCPT TO:<postmaster>",
        "DATA",
        "RSET",
        "NOOP",
        "VRFY x",
        "HELP",
        "XCLIENT HELO=mx.example PROTO=ESMTP PORT=25",
        "XCLIENT ADDR=IPV6:2001:db8::7 PORT=4660",
    ]);
    let bad = prop::sample::select(vec![
        "",
        " ",
        "QUIT",
        "XYZZY",
        "DATA now",
        "MAIL FROM:<a@b.example> SIZE=1000",
        "MAIL FROM:<é@b.example>",
        "EHLO b\u{fc} c",
        "MAIL FROM: a@b.example",
        "MAIL\tFROM:<a..b@c_d> AUTH=<>",
        "RCPT TO:  <root>",
        "RCPT TO:<é@d.example.>",
        "RCPT TO:<>",
        "BDAT",
        "BDAT x",
        "NOOP \n NOOP",
        "XCLIENT ADDR=192.0.2.256",
        "AUTH PLAIN AGFubgBzM2NyM3Q=",
        "AUTH PLAIN",
        "AUTH LOGIN",
        "AGFubgBzM2NyM3Q=",
        "*",
        "XCLIENT HELO=a+0D+0Ab",
        "NOOP \r",
        "NOOP \r\r",
        "\0",
    ]);
    let long = (95usize..110).prop_map(|octets| "N".repeat(octets));
    let text = prop_oneof![
        12 => good.prop_map(str::to_string),
        2 => bad.prop_map(str::to_string),
        1 => long,
    ];
    text.prop_map(|text| [text.as_bytes(), b"\r\n"].concat())
}

/// Mostly octets that matter to the scanner.
fn payload(octets_max: usize) -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        3 => Just(b'\r'), 3 => Just(b'\n'), 3 => Just(b'.'), 2 => Just(b'x'), 1 => any::<u8>(),
    ];
    let piece = prop_oneof![
        3 => octet.prop_map(|octet| vec![octet]),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\n.".to_vec()),
        1 => Just(b"\r\n..".to_vec()),
        1 => Just(b"\n.\r\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..octets_max).prop_map(|pieces| pieces.concat())
}

/// A chunk whose size is right, wrong or missing.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop::sample::select(vec!["", "", "", " LAST", " LAST", " last", " FIRST"]);
    (payload(30), tail, 0usize..20).prop_map(|(octets, tail, wrong)| {
        let told = if wrong == 0 { octets.len() + 3 } else { octets.len() };
        [format!("BDAT {told}{tail}\r\n").as_bytes(), &octets].concat()
    })
}

fn opening() -> Vec<u8> {
    b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n".to_vec()
}

fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let data = payload(60).prop_map(|octets| [&b"DATA\r\n"[..], &octets, b"\r\n.\r\n"].concat());
    let message = payload(60)
        .prop_map(|octets| [&opening(), &b"DATA\r\n"[..], &octets, b"\r\n.\r\n"].concat());
    let part = prop_oneof![
        6 => command(),
        2 => data,
        2 => message,
        2 => chunk(),
        1 => Just(opening()),
        1 => payload(5),
    ];
    prop::collection::vec(part, 1..20).prop_map(|parts| parts.concat())
}

fn picks() -> impl Strategy<Value = Vec<(prop::sample::Index, i8, bool)>> {
    let pick = (any::<prop::sample::Index>(), -2i8..3, prop::bool::weighted(0.2));
    prop::collection::vec(pick, 0..12)
}

/// Most cuts fall within two octets of a CR, LF or dot, where mistakes are most likely.
fn near_edges(dialogue: &[u8], picks: &[(prop::sample::Index, i8, bool)]) -> Vec<usize> {
    let edges: Vec<usize> =
        (0..dialogue.len()).filter(|&at| matches!(dialogue[at], b'\r' | b'\n' | b'.')).collect();
    let cut = |&(index, shift, anywhere): &(prop::sample::Index, i8, bool)| {
        if anywhere || edges.is_empty() {
            return index.index(dialogue.len() + 1);
        }
        edges[index.index(edges.len())].saturating_add_signed(shift.into()).min(dialogue.len())
    };
    picks.iter().map(cut).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn replies_and_stored_bytes_do_not_depend_on_the_cuts(
        dialogue in dialogue(),
        picks in picks(),
        variant in 0u8..4,
        trust in prop::sample::select(vec![Trust::None, Trust::Xclient, Trust::Auth]),
    ) {
        let limits = small_limits(variant);
        let cuts = near_edges(&dialogue, &picks);
        let every_octet: Vec<usize> = (0..dialogue.len()).collect();
        for dialect in ClientDialect::all(trust) {
            // The same dialogue over LMTP, with its own greeting command.
            let mut dialogue = dialogue.clone();
            let hello = dialogue.windows(6).position(|w| w == b"EHLO c");
            if let Some(at) = hello && dialect.protocol == Protocol::Lmtp {
                dialogue[at] = b'L';
            }
            let whole = run_cut(dialect, &dialogue, &[], &limits);
            prop_assert_eq!(&run_cut(dialect, &dialogue, &cuts, &limits), &whole);
            prop_assert_eq!(&run_cut(dialect, &dialogue, &every_octet, &limits), &whole);
        }
    }

    #[test]
    fn the_scanner_agrees_with_its_reference(
        wire in payload(200),
        picks in picks(),
    ) {
        let mut cuts = near_edges(&wire, &picks);
        cuts.push(wire.len());
        cuts.sort_unstable();
        let (mut scanner, mut dots, mut from, mut end) = (EndOfData::new(), 0, 0, None);
        for cut in cuts {
            if let Some(octets) = scanner.scan(&wire[from..cut], &mut dots) {
                end = Some(from + octets);
                break;
            }
            from = cut;
        }
        prop_assert_eq!((end, dots), scan_slowly(&wire));
    }

    #[test]
    fn stuffed_content_is_unstuffed(message in payload(100)) {
        let mut wire = Vec::new();
        for (at, &octet) in message.iter().enumerate() {
            let starts_line = at == 0 || message[..at].ends_with(b"\r\n");
            wire.extend((starts_line && octet == b'.').then_some(b'.'));
            wire.push(octet);
        }
        let stuffed = wire.len() - message.len();
        prop_assert_eq!(&*unstuff(&wire), &message[..]);
        // A message that does not end with CRLF gets one (RFC 5321 4.1.1.4).
        wire.extend_from_slice(b"\r\n.\r\n");
        let (end, dots) = scan_slowly(&wire);
        prop_assert_eq!(end, Some(wire.len()));
        prop_assert_eq!(dots as usize, stuffed);
    }
}

/// xorshift: the same mutations in every run, without a crate.
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 16) as usize
}

#[test]
fn the_fuzz_corpus_and_its_mutations_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/session");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{} seeds", files.len());
    let mut seed = 0x5eed_0000_0000_0001;
    for file in files {
        let original = std::fs::read(&file).unwrap();
        check_session(&original);
        for _ in 0..20 {
            let mut bytes = original.clone();
            for _ in 0..1 + next(&mut seed) % 4 {
                let at = next(&mut seed) % (bytes.len() + 1);
                match next(&mut seed) % 4 {
                    0 if at < bytes.len() => bytes[at] = next(&mut seed) as u8,
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"\r\n. \0<>"[next(&mut seed) % 7]),
                    _ => bytes.truncate(at.max(2)),
                }
            }
            check_session(&bytes);
        }
    }
}
