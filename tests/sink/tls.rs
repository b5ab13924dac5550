//! TLS of the server, octet by octet: before, during and after a handshake.
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use sinkd::config::{CertificateFiles, Config, Tls, TlsSettings};
use sinkd::server::by_hand::Beginning;
use sinkd::server::testkit::{Dialogue, Observed, OneByOne, Pieces};
use sinkd::smtp::envelope;
use sinkd::smtp::limits::Protocol;
use sinkd::stats::Counter;
use sinkd::time::ProcessClock;
use sinkd::tls::CertificateFolder;
use sinkd::tls::by_hand::ClientOffer;

const MESSAGE: &[u8] = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";

fn sink() -> OneByOne {
    OneByOne::from_config(Config { tls: Tls::Offered.into(), ..Config::default() })
}

/// Connects a client that has sent EHLO.
fn greeted(sink: &mut OneByOne) -> Dialogue<'_> {
    let mut client = sink.connect(Protocol::Smtp);
    client.send(b"EHLO c\r\n");
    assert!(text(client.take_replies()).contains("STARTTLS"));
    client
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

// ------------------------------------------------------------ before the handshake

/// CVE-2011-0411 and similar attacks: octets that an attacker injects after STARTTLS must not be
/// treated as if the client had sent them under TLS.
fn injected(between: &[u8]) {
    let mut sink = sink();
    let mut client = greeted(&mut sink);
    client.send(&[b"STARTTLS\r\n", between].concat());
    assert_eq!(text(client.take_replies()), "220 2.0.0 Begin the TLS handshake\r\n");
    client.handshake(Pieces::Whole).unwrap();
    assert_eq!(text(client.take_replies()), "", "no reply to commands in plain text");
    client.send(MESSAGE);
    let replies = text(client.take_replies());
    assert!(replies.starts_with("503 5.5.1 Send EHLO"), "the session starts over: {replies}");
    client.send(b"EHLO mine\r\n");
    client.take_replies();
    client.send(&[MESSAGE, b"mine\r\n.\r\n"].concat());
    let outcome = client.leave();
    assert_eq!(outcome.stored.len(), 1);
    let stored = &outcome.stored[0];
    assert_eq!(stored.payload, b"mine\r\n");
    let decoded = envelope::decode(&stored.envelope).unwrap();
    assert_eq!((decoded.helo, decoded.recipients_count()), (&b"mine"[..], 1));
    assert_eq!(sink.take_counted(Counter::TlsDiscarded), 1);
}

#[test]
fn a_command_injected_after_starttls_is_discarded_and_counted() {
    injected(b"RSET\r\n");
}

#[test]
fn an_ehlo_injected_after_starttls_is_discarded() {
    injected(b"EHLO attacker\r\n");
}

#[test]
fn a_transaction_injected_after_starttls_is_discarded() {
    injected(
        b"EHLO x\r\nMAIL FROM:<attacker@x.example>\r\nRCPT TO:<v@x.example>\r\nDATA\r\nx\r\n.\r\n",
    );
}

#[test]
fn half_a_command_injected_after_starttls_does_not_prefix_one_under_tls() {
    injected(b"MAIL FROM:<attacker@x.example> SIZE=");
}

#[test]
fn an_unterminated_line_injected_after_starttls_is_discarded() {
    injected(&b"x".repeat(3000));
}

#[test]
fn a_chunk_injected_after_starttls_is_discarded() {
    injected(b"BDAT 1000000 LAST\r\nabc");
}

#[test]
fn an_empty_line_injected_after_starttls_is_discarded() {
    injected(b"\r\n");
}

/// Octets that arrive after the reply, still in plain text, are read as the client's hello.
#[test]
fn a_command_in_place_of_the_handshake_ends_the_connection() {
    for output in [&b"RSET\r\n"[..], b"EHLO x\r\nMAIL FROM:<a@b>\r\n", b"\r\n", b"\0"] {
        let mut sink = sink();
        let mut client = greeted(&mut sink);
        client.send(b"STARTTLS\r\n");
        client.take_replies();
        client.send_octets(output);
        client.send_octets(&[b' '; 64]);
        let outcome = client.leave();
        assert!(outcome.closed && outcome.replies.is_empty(), "{outcome:?}");
        assert_eq!(sink.take_counted(Counter::TlsFailedNotTls), 1, "{output:?}");
    }
}

/// What an attacker injects after our reply is the client's problem; nothing from before the
/// handshake may be visible after it.
#[test]
fn nothing_sent_before_the_handshake_is_visible_after_it() {
    let mut sink = sink();
    let mut client = greeted(&mut sink);
    client.send(b"MAIL FROM:<attacker@x.example>\r\nRCPT TO:<v@x.example>\r\nRSET\r\nSTARTTLS\r\n");
    client.take_replies();
    client.handshake(Pieces::Whole).unwrap();
    client.send(b"RCPT TO:<c@d.example>\r\nDATA\r\nHELO mine\r\n");
    let replies = text(client.take_replies());
    assert!(replies.starts_with("503 5.5.1 Send EHLO or HELO first\r\n503 "), "{replies}");
    client.send(&[MESSAGE, b".\r\n"].concat());
    let outcome = client.leave();
    let decoded = envelope::decode(&outcome.stored[0].envelope).unwrap();
    assert_eq!((decoded.helo, decoded.mail_from), (&b"mine"[..], &b"a@b.example"[..]));
}

// ------------------------------------------------------------ during the handshake

#[test]
fn a_handshake_cut_at_any_octet_is_counted_and_releases_everything() {
    let mut sink = sink();
    let hello = {
        let mut client = sink.connect_with(Beginning::Tls);
        client.handshake(Pieces::Whole).unwrap();
        assert!(text(client.take_replies()).starts_with("220 "));
        client.leave();
        sink.tls_client().take_octets()
    };
    for end in 0..hello.len() {
        let mut client = sink.connect_with(Beginning::Tls);
        client.send_octets(&hello[..end]);
        let outcome = client.leave();
        assert!(outcome.replies.is_empty(), "{end}: {outcome:?}");
    }
    assert_eq!(sink.take_counted(Counter::TlsFailedCutOff), hello.len() as u64);
}

#[test]
fn a_handshake_with_any_octet_changed_fails_or_succeeds_and_releases_everything() {
    let mut sink = sink();
    let hello = {
        sink.connect_with(Beginning::Tls).leave();
        sink.tls_client().take_octets()
    };
    for at in 0..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= 0x41;
        let mut client = sink.connect_with(Beginning::Tls);
        client.send_octets(&changed);
        client.leave();
    }
    // And the sink serves the next client.
    let mut client = sink.connect_with(Beginning::Tls);
    client.handshake(Pieces::Octets).unwrap();
    assert!(text(client.leave().replies).starts_with("220 "));
}

/// Records of one octet: each header is five times as long as its content.
#[test]
fn an_endless_client_hello_is_bounded() {
    let mut sink = sink();
    let mut client = sink.connect_with(Beginning::Tls);
    let header = [1, 0, 0xff, 0xf0];
    for octet in header.into_iter().chain(std::iter::repeat_n(0, 65_000)) {
        client.send_octets(&[22, 3, 1, 0, 1, octet]);
        if client.is_closed() {
            break;
        }
    }
    assert!(client.leave().closed);
    let bounded = sink.take_counted(Counter::TlsFailedTooLong);
    let refused = sink.take_counted(Counter::TlsFailedMalformed);
    assert_eq!(bounded + refused, 1, "whichever bound is met first");
    // All at once, in reads of the maximum size.
    let mut client = sink.connect_with(Beginning::Tls);
    let mut octets: Vec<u8> = header.iter().flat_map(|octet| [22, 3, 1, 0, 1, *octet]).collect();
    octets.extend([22, 3, 1, 0, 1, 0].repeat(65_000));
    client.send_octets(&octets);
    assert!(client.leave().closed);
}

/// Each record costs work: a client can't get more of a round by making its records small.
#[test]
fn a_client_of_tiny_records_yields_to_others() {
    let mut sink = sink();
    let mut client = sink.connect_with(Beginning::Tls);
    client.handshake(Pieces::Whole).unwrap();
    client.send(b"EHLO c\r\n");
    let rounds = client.rounds_of(|client| {
        for _ in 0..2_000 {
            client.seal(b"N");
        }
    });
    assert!(rounds >= 2_000 * 512 / (256 << 10), "{rounds} rounds");
    client.leave();
}

#[test]
fn a_client_that_does_not_trust_the_ca_is_counted_by_its_alert() {
    let mut sink = sink();
    let mut client = sink.connect_with(Beginning::Tls);
    let told = client.handshake_with(ClientOffer::trusting_nobody().client(), Pieces::Whole);
    assert!(told.unwrap_err().contains("UnknownIssuer"));
    assert!(client.is_closed());
    client.leave();
    assert_eq!(sink.take_counted(Counter::TlsFailedUnknownCa), 1);
}

#[test]
fn plain_text_to_an_implicit_tls_port_is_answered_in_plain_text() {
    let mut sink = sink();
    let mut client = sink.connect_with(Beginning::Tls);
    client.send_octets(b"EHLO client.example\r\n");
    let outcome = client.leave();
    let expected = "554 5.7.0 This port begins with TLS: connect with implicit TLS\r\n";
    assert_eq!((text(outcome.replies), outcome.closed), (expected.into(), true));
    assert_eq!(sink.take_counted(Counter::TlsFailedNotTls), 1);
}

#[test]
fn a_client_waiting_for_a_greeting_gets_a_reply_after_ten_seconds_and_a_stalled_one_is_closed() {
    let mut sink = sink();
    let mut waiting = sink.connect_with(Beginning::Tls);
    waiting.wait(Duration::from_millis(9_900));
    assert_eq!((waiting.take_replies(), waiting.is_closed()), (Vec::new(), false));
    waiting.wait(Duration::from_millis(200));
    assert!(text(waiting.leave().replies).starts_with("554 5.7.0 This port begins with TLS"));
    assert_eq!(sink.take_counted(Counter::TlsFailedTimedOut), 1);
    let hello = sink.tls_client().take_octets();
    let mut stalled = sink.connect_with(Beginning::Tls);
    stalled.send_octets(&hello[..50]);
    stalled.wait(Duration::from_secs(9));
    stalled.send_octets(&hello[50..60]);
    assert!(!stalled.is_closed(), "an octet now and then does not make it longer");
    stalled.wait(Duration::from_secs(2));
    let outcome = stalled.leave();
    assert_eq!((outcome.replies, outcome.closed), (Vec::new(), true));
    assert_eq!(sink.take_counted(Counter::TlsFailedTimedOut), 1);
}

/// The limit is per worker; connections that begin with TLS wait to be accepted meanwhile.
#[test]
fn starttls_is_unavailable_during_too_many_handshakes() {
    let mut sink = sink();
    sink.fill_handshakes();
    let mut client = greeted(&mut sink);
    client.send(b"STARTTLS\r\nNOOP\r\n");
    let replies = text(client.take_replies());
    assert!(replies.starts_with("454 4.7.0 TLS is not available now"), "{replies}");
    assert!(replies.ends_with("250 2.0.0 Ok\r\n"), "the session continues: {replies}");
    client.leave();
}

#[test]
fn tls_to_a_plain_text_port_gets_a_reply_and_is_counted() {
    let mut sink = sink();
    sink.connect_with(Beginning::Tls).leave();
    let hello = sink.tls_client().take_octets();
    for piece in [1, hello.len()] {
        let mut client = sink.connect(Protocol::Smtp);
        client.take_replies();
        hello.chunks(piece).for_each(|octets| client.send_octets(octets));
        let outcome = client.leave();
        let expected = "554 5.7.0 This port begins in plain text: connect without implicit TLS\r\n";
        assert_eq!((text(outcome.replies), outcome.closed), (expected.into(), true));
        assert_eq!(sink.take_counted(Counter::TlsFailedTlsOnPlainPort), 1);
    }
}

#[test]
fn a_proxy_names_the_client_before_the_handshake() {
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.1 4660 465\r\n";
    for pieces in [Pieces::Whole, Pieces::Octets] {
        let mut sink = sink();
        let mut client = sink.connect_with(Beginning::ProxyThenTls);
        client.send_octets(header);
        client.handshake(pieces).unwrap();
        client.send(&[b"EHLO c\r\n", MESSAGE, b".\r\n"].concat());
        let outcome = client.leave();
        let decoded = envelope::decode(&outcome.stored[0].envelope).unwrap();
        assert_eq!(decoded.client.unwrap().to_string(), "192.0.2.7:4660");
        assert_eq!(decoded.peer.unwrap().to_string(), "unix");
        assert_eq!(decoded.tls.unwrap().version, b"TLSv1.3");
        assert_eq!(decoded.tls.unwrap().server_name, b"localhost");
    }
    // The hello can arrive together with the header.
    let mut sink = sink();
    sink.connect_with(Beginning::Tls).leave();
    let mut tls = sink.tls_client();
    let mut client = sink.connect_with(Beginning::ProxyThenTls);
    client.send_octets(&[&header[..], &tls.take_octets()].concat());
    client.handshake_with(tls, Pieces::Whole).unwrap();
    assert!(text(client.leave().replies).starts_with("220 "));
}

// ------------------------------------------------------------ after the handshake

#[test]
fn a_close_without_close_notify_in_a_payload_stores_no_message() {
    for is_told in [true, false] {
        for end in [&b"two\r\n."[..], b"two\r\n.\r", b""] {
            let mut sink = sink();
            let mut client = sink.connect_with(Beginning::Tls);
            client.handshake(Pieces::Whole).unwrap();
            client.send(&[b"EHLO c\r\n", MESSAGE].concat());
            client.send(b"one\r\n");
            client.send(end);
            if is_told {
                client.close_tls();
            }
            let outcome = client.leave();
            assert!(outcome.stored.is_empty(), "{end:?}: {outcome:?}");
        }
    }
}

#[test]
fn close_notify_is_sent_in_reply_to_close_notify_and_to_quit() {
    let mut sink = sink();
    for says_quit in [true, false] {
        let mut client = sink.connect_with(Beginning::Tls);
        client.handshake(Pieces::Whole).unwrap();
        if says_quit {
            client.send(b"QUIT\r\n")
        } else {
            client.close_tls()
        }
        assert!(client.has_heard_close_notify(), "QUIT: {says_quit}");
        assert!(client.leave().closed);
    }
}

#[test]
fn a_changed_record_ends_the_connection_and_discards_the_incomplete_message() {
    let mut sink = sink();
    let mut client = sink.connect_with(Beginning::Tls);
    client.handshake(Pieces::Whole).unwrap();
    client.send(&[b"EHLO c\r\n", MESSAGE, b"first\r\n.\r\n", MESSAGE].concat());
    client.send_tampered(b"second\r\n.\r\n");
    let outcome = client.leave();
    assert_eq!(outcome.stored.len(), 1);
    assert!(outcome.closed);
    assert_eq!(sink.take_counted(Counter::TlsFailedBadRecord), 1);
}

#[test]
fn a_resumed_session_is_recorded_in_the_envelope() {
    let mut sink = sink();
    sink.connect_with(Beginning::Tls).leave();
    let offer = sink.tls_offer();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut client = sink.connect_with(Beginning::Tls);
        client.handshake_with(offer.client(), Pieces::Whole).unwrap();
        client.send(&[b"EHLO c\r\n", MESSAGE, b".\r\n"].concat());
        let outcome = client.leave();
        let decoded = envelope::decode(&outcome.stored[0].envelope).unwrap();
        seen.push(decoded.tls.unwrap().is_resumed);
    }
    assert_eq!(seen, [false, true]);
    assert_eq!(sink.take_counted(Counter::TlsResumed), 1);
}

#[test]
fn a_reload_changes_the_certificate_only_for_new_handshakes() {
    let now = ProcessClock::get().unix_ns().as_duration();
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for folder in [&one, &other] {
        CertificateFolder::in_data_folder(folder.path())
            .identity(&["localhost".into()], now)
            .unwrap();
    }
    // A new client each time: one that resumes a session sees no certificate.
    let trusting = |folder: &Path| {
        ClientOffer::trusting(&CertificateFolder::in_data_folder(folder).ca_path()).client()
    };
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name);
    let files = CertificateFiles {
        cert: Some(file("cert.pem")),
        key: Some(file("key.pem")),
        ..CertificateFiles::default()
    };
    let config = Config { tls: TlsSettings { mode: Tls::Offered, files }, ..Config::default() };
    let show = |folder: &Path| {
        for name in ["cert.pem", "key.pem"] {
            std::fs::copy(folder.join("tls").join(name), file(name)).unwrap();
        }
    };
    show(one.path());
    let mut sink = OneByOne::from_config(config.clone());
    let mut client = sink.connect_with(Beginning::Tls);
    client.handshake_with(trusting(one.path()), Pieces::Whole).unwrap();
    show(other.path());
    client.reload(config);
    client.send(b"EHLO c\r\n");
    assert!(
        text(client.take_replies()).contains("250 HELP"),
        "the session continues with its keys"
    );
    client.leave();
    for (folder, is_trusted) in [(&one, false), (&other, true)] {
        let mut client = sink.connect_with(Beginning::Tls);
        let made = client.handshake_with(trusting(folder.path()), Pieces::Whole);
        assert_eq!(made.is_ok(), is_trusted);
        client.leave();
    }
}

/// Runs the dialogue under TLS, its content sealed in pieces of these sizes, and its octets split.
fn run(sink: &mut OneByOne, dialogue: &[u8], contents: &[usize], octets: Pieces) -> Observed {
    let mut client = sink.connect_with(Beginning::Tls);
    client.handshake(octets).unwrap();
    let mut from = 0;
    for to in contents.iter().copied().chain([dialogue.len()]) {
        client.send(&dialogue[from..to]);
        from = to;
    }
    let mut outcome = client.leave();
    // The duration of a handshake varies.
    for stored in &mut outcome.stored {
        stored.envelope = without_tls(&stored.envelope);
    }
    outcome
}

fn without_tls(envelope: &[u8]) -> Vec<u8> {
    let mut rest = envelope;
    let mut kept = Vec::new();
    while let [tag, a, b, c, d, ..] = *rest {
        let bytes = 5 + u32::from_le_bytes([a, b, c, d]) as usize;
        if tag != envelope::Tag::Tls as u8 {
            kept.extend_from_slice(&rest[..bytes]);
        }
        rest = &rest[bytes..];
    }
    kept
}

fn dialogue() -> Vec<u8> {
    let long = b"..0123456789abcdef\r\n".repeat(2500);
    [
        &b"EHLO c\r\nNOOP\r\n"[..],
        MESSAGE,
        b"one\r\n.\r\n",
        MESSAGE,
        &long,
        b".\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde",
        b"NOOP\r\nQUIT\r\n",
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Replies and messages are the same as in plain text, wherever a client ends its records and
    /// wherever the network splits them.
    #[test]
    fn a_dialogue_under_tls_does_not_depend_on_its_records_or_their_cuts(
        mut cuts in prop::collection::vec(0_usize..50_300, 0..6),
        in_octets in any::<bool>(),
    ) {
        let dialogue = dialogue();
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(dialogue.len()));
        cuts.sort_unstable();
        let mut sink = sink();
        let mut plain = sink.connect(Protocol::Smtp);
        plain.send(&dialogue);
        let plain = plain.leave();
        prop_assert_eq!(plain.stored.len(), 3);
        let octets = if in_octets { Pieces::Octets } else { Pieces::Whole };
        let under_tls = run(&mut sink, &dialogue, &cuts, octets);
        prop_assert_eq!(&under_tls.stored.len(), &3);
        for (one, other) in under_tls.stored.iter().zip(&plain.stored) {
            prop_assert_eq!(&one.payload, &other.payload);
        }
        let told = |replies: &[u8]| text(replies.to_vec()).replace("250-STARTTLS\r\n", "");
        let plain_replies = told(&plain.replies).replace("250-HELP\r\n250 STARTTLS", "250 HELP");
        prop_assert_eq!(told(&under_tls.replies), plain_replies);
    }
}
