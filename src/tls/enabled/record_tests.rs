//! Handshakes and records against a client of rustls: each version and cipher suite, octets in
//! pieces, new keys, and changes by an attacker.
use std::time::Duration;

use super::by_hand::{ClientByHand, ClientOffer};
use super::failure::Failure;
use super::*;

struct Server {
    acceptor: Acceptor,
    ca: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let kept = CertificateFolder::in_data_folder(folder.path());
    // rustls uses the system clock.
    let now: Duration = crate::time::ProcessClock::get().unix_ns().as_duration();
    let identity = kept.identity(&["localhost".into()], now).unwrap();
    let acceptor = Acceptor::new(&identity, &ClientCertificates::Off).unwrap();
    Server { acceptor, ca: kept.ca_path(), _folder: folder }
}

/// Runs a handshake until the server's side is complete. The client's octets arrive in pieces of
/// `piece`.
fn established(
    server: &Server,
    client: &mut ClientByHand,
    piece: usize,
) -> Result<(Established, Vec<u8>), Failure> {
    let mut handshake = Handshake::new(&server.acceptor)?;
    let mut incoming = Vec::new();
    for _ in 0..10 {
        let octets = client.take_octets();
        for octets in octets.chunks(piece) {
            incoming.extend_from_slice(octets);
            let mut out = Vec::new();
            let (used, step) = handshake.advance(&mut incoming, &mut out);
            incoming.drain(..used);
            client.receive(&out);
            match step? {
                HandshakeStep::Blocked(next) => handshake = next,
                HandshakeStep::Done(done) => {
                    assert_eq!(client.take_error(), None);
                    return Ok((*done, incoming));
                }
            }
        }
    }
    panic!("the handshake does not end");
}

/// Opens all records in `octets`; returns their content and whether close_notify came.
fn open_all(records: &mut Records, octets: &mut Vec<u8>) -> Result<(Vec<u8>, bool), Failure> {
    let mut content = Vec::new();
    loop {
        match records.open(octets)? {
            Opened::Content { place, octets: record } => {
                content.extend_from_slice(&octets[place]);
                octets.drain(..record);
            }
            Opened::Nothing { octets: record } => drop(octets.drain(..record)),
            Opened::Incomplete => return Ok((content, false)),
            Opened::Closed => return Ok((content, true)),
        }
    }
}

fn send_sealed(records: &mut Records, content: &[u8]) -> (Vec<u8>, Vec<(usize, usize)>) {
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    records.seal(content, &mut out, |content, octets| ends.push((content, octets))).unwrap();
    (out, ends)
}

#[test]
fn each_version_and_cipher_passes_content_both_ways_in_any_pieces() {
    let server = server();
    let mut seen = Vec::new();
    for offer in ClientOffer::each_suite(&server.ca) {
        for piece in [1, 7, 100_000] {
            let mut client = offer.client();
            let (mut done, mut incoming) = established(&server, &mut client, piece).unwrap();
            assert_eq!(done.agreed.server_name.as_deref(), Some("localhost"));
            seen.push((done.agreed.version, done.agreed.cipher.clone()));
            let long: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
            for content in [&b"EHLO c\r\n"[..], &long, b"x"] {
                client.send(content);
                let mut heard = std::mem::take(&mut done.early);
                for octets in client.take_octets().chunks(piece.max(1000)) {
                    incoming.extend_from_slice(octets);
                    heard.extend(open_all(&mut done.records, &mut incoming).unwrap().0);
                }
                assert!(heard == content && incoming.is_empty());
                let (out, ends) = send_sealed(&mut done.records, content);
                assert_eq!(ends.len(), content.len().div_ceil(CONTENT_BYTES_MAX));
                assert_eq!(*ends.last().unwrap(), (content.len(), out.len()));
                client.receive(&out);
                assert!(client.take_content() == content);
            }
            client.close();
            incoming.extend(client.take_octets());
            assert_eq!(open_all(&mut done.records, &mut incoming), Ok((Vec::new(), true)));
        }
    }
    let suites: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(suites.iter().filter(|(version, _)| *version == TLS_1_3).count(), 3, "{suites:?}");
    assert_eq!(suites.iter().filter(|(version, _)| *version == TLS_1_2).count(), 3, "{suites:?}");
    assert!(suites.iter().all(|(_, cipher)| cipher.starts_with("TLS_")), "{suites:?}");
}

#[test]
fn a_client_can_change_keys_and_the_server_changes_its_own() {
    let server = server();
    let mut client = ClientOffer::trusting(&server.ca).client();
    let (mut done, mut incoming) = established(&server, &mut client, 100_000).unwrap();
    for round in 0..3 {
        client.change_keys();
        client.send(b"NOOP\r\n");
        incoming.extend(client.take_octets());
        let (content, _) = open_all(&mut done.records, &mut incoming).unwrap();
        assert_eq!(content, b"NOOP\r\n", "{round}");
        let (out, ends) = send_sealed(&mut done.records, b"250 Ok\r\n");
        assert_eq!(ends, [(8, out.len())], "what tells of other keys goes before");
        client.receive(&out);
        assert_eq!(client.take_content(), b"250 Ok\r\n");
    }
}

#[test]
fn a_client_that_only_changes_keys_is_refused() {
    let server = server();
    let mut client = ClientOffer::trusting(&server.ca).client();
    let (mut done, mut incoming) = established(&server, &mut client, 100_000).unwrap();
    let mut changes = 0;
    let failure = loop {
        client.change_keys();
        incoming.extend(client.take_octets());
        changes += 1;
        if let Err(failure) = open_all(&mut done.records, &mut incoming) {
            break failure;
        }
    };
    assert_eq!((failure, changes), (Failure::Unexpected, 33));
}

#[test]
fn a_record_with_any_octet_changed_is_refused_with_an_alert() {
    let server = server();
    for offer in ClientOffer::each_suite(&server.ca) {
        let octets = {
            let mut client = offer.client();
            established(&server, &mut client, 100_000).unwrap();
            client.send(b"QUIT\r\n");
            client.take_octets().len()
        };
        for at in 0..octets {
            let mut client = offer.client();
            let (mut done, _) = established(&server, &mut client, 100_000).unwrap();
            client.send(b"QUIT\r\n");
            let mut incoming = client.take_octets();
            assert_eq!(incoming.len(), octets);
            incoming[at] ^= 0x11;
            match open_all(&mut done.records, &mut incoming) {
                // The length was increased: the rest never arrives.
                Ok((content, false)) => {
                    assert!(content.is_empty() && matches!(at, 2..=4), "octet {at}");
                }
                Ok(other) => panic!("octet {at} may be anything: {other:?}"),
                Err(failure) => {
                    let mut alert = Vec::new();
                    done.records.alert(failure, &mut alert);
                    client.receive(&alert);
                    let told = client.take_error().unwrap_or_default();
                    assert!(told.contains("alert"), "octet {at}, {failure}: {told}");
                }
            }
        }
    }
}

#[test]
fn records_that_are_too_long_and_input_that_is_not_tls_are_recognized() {
    let server = server();
    let mut client = ClientOffer::trusting(&server.ca).client();
    let (mut done, _) = established(&server, &mut client, 100_000).unwrap();
    for (octets, expected) in [
        (&[23, 3, 3, 0xff, 0xff, 0][..], Failure::TooLong),
        (&[23, 3, 3, 0x48, 1, 0], Failure::TooLong),
        (b"EHLO c\r\n", Failure::Malformed),
        (&[22, 3, 3, 0, 1, 0], Failure::Unexpected),
    ] {
        assert_eq!(done.records.open(&mut octets.to_vec()), Err(expected), "{octets:?}");
    }
    assert_eq!(done.records.open(&mut [23, 3, 3, 0x48]), Ok(Opened::Incomplete));
}

#[test]
fn a_handshake_names_why_it_fails() {
    let server = server();
    let begin = || Handshake::new(&server.acceptor).unwrap();
    let (_, plain) = begin().advance(&mut b"EHLO c\r\n".to_vec(), &mut Vec::new());
    assert_eq!(plain.err(), Some(Failure::NotTls));
    // A hello of TLS 1.0, as sent by OpenSSL 1.0.
    let mut old = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    old.extend([7; 32]);
    old.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let mut out = Vec::new();
    let (_, refused) = begin().advance(&mut old, &mut out);
    assert_eq!(refused.err(), Some(Failure::NoCommonVersion));
    assert_eq!(out[..7], [21, 3, 3, 0, 2, 2, 40], "the alert handshake_failure");
    let mut stranger = ClientOffer::trusting_nobody().client();
    let told = established(&server, &mut stranger, 100_000).map(|_| ());
    assert_eq!(told, Err(Failure::UnknownCa));
}

/// Whichever octet of a hello is changed, and wherever the hello is cut, the server doesn't panic.
#[test]
fn a_hello_changed_or_cut_anywhere_does_no_harm() {
    let server = server();
    let hello = ClientOffer::trusting(&server.ca).client().take_octets();
    for at in 0..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= 0x55;
        for mut octets in [changed, hello[..at].to_vec()] {
            let mut out = Vec::new();
            let (used, _) =
                Handshake::new(&server.acceptor).unwrap().advance(&mut octets, &mut out);
            assert!(used <= octets.len());
        }
    }
}
