//! Handshakes of a sender with a listener, and the records after them.
use std::path::Path;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::tls::enabled::acceptor::Acceptor;
use crate::tls::enabled::authority::{Authority, LeafKey};
use crate::tls::enabled::clients::{ClientCertificates, ClientRoots};
use crate::tls::enabled::connector::{ServerTrust, SessionReuse};
use crate::tls::enabled::identity::Identity;
use crate::tls::enabled::pem::encode;
use crate::tls::enabled::record::Opened;
use crate::tls::enabled::server::{Established, Handshake, HandshakeStep};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A CA, and a server and a client with certificates signed by it.
struct Signed {
    trust: ServerTrust,
    roots: ClientRoots,
    server: Identity,
    client: Identity,
}

fn identity(leaf: CertificateDer<'static>, key: &LeafKey) -> Identity {
    let private = PrivatePkcs8KeyDer::from(key.der().to_vec()).into();
    Identity::from_parts(vec![leaf], private, (Path::new("cert"), Path::new("key"))).unwrap()
}

impl Signed {
    fn new() -> Signed {
        Signed::with_host("host", crate::time::ProcessClock::get().unix_ns().as_duration())
    }

    /// Creates a CA of `host`, and certificates that are valid from `now`.
    fn with_host(host: &str, now: Duration) -> Signed {
        let authority = Authority::generate(host, now).unwrap();
        let (own, clients) = (LeafKey::generate().unwrap(), LeafKey::generate().unwrap());
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = authority.sign(&own, &names, now).unwrap();
        let client = authority.sign_client(&clients, &["client".into()], now).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, encode("CERTIFICATE", authority.certificate())).unwrap();
        let roots = ClientRoots::load(&path).unwrap();
        Signed {
            trust: ServerTrust::SignedBy(roots.clone()),
            roots,
            server: identity(leaf, &own),
            client: identity(client, &clients),
        }
    }

    fn acceptor(&self) -> Acceptor {
        Acceptor::new(&self.server, &ClientCertificates::Off).unwrap()
    }

    fn connector(&self, version: &'static SupportedProtocolVersion) -> Connector {
        Connector::with_versions("localhost", &self.trust, None, SessionReuse::Shared, &[version])
            .unwrap()
    }
}

/// Both ends of a connection, and octets that the client has not read.
struct Pair {
    client: Box<Secured>,
    server: Box<Established>,
    unread: Vec<u8>,
}

/// Why a handshake failed, for each side; `None`: that side reports no failure.
type Failures = (Option<Failure>, Option<Failure>);

/// The state of one side.
enum Side<Blocked, Done> {
    Blocked(Blocked),
    Done(Box<Done>),
    Failed(Failure),
}

/// Runs a handshake in which each side reads pieces of `cut` octets.
fn shake(connector: &Connector, acceptor: &Acceptor, cut: usize) -> Result<Pair, Failures> {
    let mut client = Side::Blocked(ClientHandshake::new(connector).unwrap());
    let mut server = Side::Blocked(Handshake::new(acceptor).unwrap());
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    for _ in 0..100_000 {
        let piece = to_client.drain(..cut.min(to_client.len())).collect::<Vec<u8>>();
        let is_news = !piece.is_empty();
        at_client.extend(piece);
        client = match client {
            Side::Blocked(handshake) => {
                let (used, step) = handshake.advance(&mut at_client, &mut to_server);
                at_client.drain(..used);
                match step {
                    Ok(ClientStep::Blocked(handshake)) => Side::Blocked(handshake),
                    Ok(ClientStep::Done(secured)) => Side::Done(secured),
                    Err(failure) => Side::Failed(failure),
                }
            }
            other => other,
        };
        let piece = to_server.drain(..cut.min(to_server.len())).collect::<Vec<u8>>();
        let is_news = is_news || !piece.is_empty();
        at_server.extend(piece);
        server = match server {
            Side::Blocked(handshake) => {
                let (used, step) = handshake.advance(&mut at_server, &mut to_client);
                at_server.drain(..used);
                match step {
                    Ok(HandshakeStep::Blocked(handshake)) => Side::Blocked(handshake),
                    Ok(HandshakeStep::Done(established)) => Side::Done(established),
                    Err(failure) => Side::Failed(failure),
                }
            }
            other => other,
        };
        if !is_news && to_client.is_empty() && to_server.is_empty() {
            break;
        }
    }
    match (client, server) {
        (Side::Done(client), Side::Done(server)) => {
            assert!(at_server.is_empty(), "the client says nothing by itself");
            Ok(Pair { client, server, unread: at_client })
        }
        (Side::Done(mut client), Side::Failed(theirs)) => {
            let told = client.records.open(&mut at_client).expect_err("the server told why");
            Err((Some(told), Some(theirs)))
        }
        (Side::Failed(ours), Side::Failed(theirs)) => Err((Some(ours), Some(theirs))),
        (Side::Failed(ours), _) => Err((Some(ours), None)),
        _ => panic!("a handshake ends"),
    }
}

/// Decrypts all of `sealed`, and returns the content.
fn content(records: &mut Records, sealed: &mut [u8]) -> Vec<u8> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        match records.open(&mut sealed[at..]).unwrap() {
            Opened::Content { place, octets } => {
                found.extend_from_slice(&sealed[at..][place]);
                at += octets;
            }
            Opened::Nothing { octets } => at += octets,
            Opened::Incomplete => return found,
            Opened::Closed => panic!("it is open"),
        }
    }
}

fn seal(records: &mut Records, content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    records.seal(content, &mut sealed, |_, _| {}).unwrap();
    sealed
}

#[test]
fn content_passes_both_ways_wherever_a_handshake_is_cut() {
    let signed = Signed::new();
    for version in VERSIONS {
        for cut in [1, 5, 100, usize::MAX] {
            let connector = signed.connector(version);
            let pair = shake(&connector, &signed.acceptor(), cut).map_err(|why| panic!("{why:?}"));
            let Ok(Pair { mut client, mut server, mut unread }) = pair;
            let said = seal(&mut server.records, b"220 ready\r\n");
            assert_eq!(client.early, b"");
            // Other records of the server, such as a ticket, have no content.
            unread.extend(said);
            assert_eq!(content(&mut client.records, &mut unread), b"220 ready\r\n");
            let payload: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
            let mut sealed = seal(&mut client.records, &payload);
            assert_eq!(content(&mut server.records, &mut sealed), payload);
            let mut end = Vec::new();
            client.records.close(&mut end);
            assert_eq!(server.records.open(&mut end).unwrap(), Opened::Closed);
        }
    }
}

#[test]
fn connections_of_one_connector_resume_as_many_sessions_as_there_were() {
    let signed = Signed::new();
    for version in VERSIONS {
        let connector = signed.connector(version);
        for round in 0..2 {
            let open: Vec<Pair> = (0..20)
                .map(|_| shake(&connector, &signed.acceptor(), usize::MAX).ok().unwrap())
                .collect();
            for mut pair in open {
                // With TLS 1.2, the session is available after the handshake.
                let is_resumed = pair.client.kind == SessionKind::Resumed;
                let has_session = round == 1 || (version == &TLS12 && is_resumed);
                assert_eq!(is_resumed, has_session, "{version:?} {round}");
                assert_eq!(pair.server.agreed.is_resumed, is_resumed);
                assert_eq!(pair.server.agreed.version, pair.client.version);
                assert_eq!(content(&mut pair.client.records, &mut pair.unread), b"");
            }
        }
        let trust = &signed.trust;
        let never =
            Connector::with_versions("localhost", trust, None, SessionReuse::Never, &[version]);
        let never = never.unwrap();
        for _ in 0..2 {
            let mut pair = shake(&never, &signed.acceptor(), usize::MAX).ok().unwrap();
            assert_eq!(pair.client.kind, SessionKind::New);
            content(&mut pair.client.records, &mut pair.unread);
        }
    }
}

#[test]
fn servers_are_verified_by_ca_name_and_date() {
    let (signed, new) = (Signed::new(), Signed::new());
    let other =
        Signed::with_host("other", crate::time::ProcessClock::get().unix_ns().as_duration());
    let old = Signed::with_host("host", Duration::ZERO);
    let rows: [(&Signed, &ServerTrust, &str, Result<(), Failures>); 8] = [
        (&signed, &signed.trust, "localhost", Ok(())),
        (&signed, &signed.trust, "127.0.0.1", Ok(())),
        (&signed, &ServerTrust::Anyone, "other.example", Ok(())),
        (&old, &ServerTrust::Anyone, "localhost", Ok(())),
        (
            &signed,
            &other.trust,
            "localhost",
            Err((Some(Failure::PeerUnknownCa), Some(Failure::UnknownCa))),
        ),
        // Another CA with the same name.
        (
            &signed,
            &new.trust,
            "localhost",
            Err((Some(Failure::PeerUnknownCa), Some(Failure::DecryptError))),
        ),
        (
            &signed,
            &signed.trust,
            "other.example",
            Err((Some(Failure::PeerWrongName), Some(Failure::BadCertificate))),
        ),
        (
            &old,
            &old.trust,
            "localhost",
            Err((Some(Failure::PeerExpired), Some(Failure::CertificateExpired))),
        ),
    ];
    for (server, trust, name, expected) in rows {
        for version in VERSIONS {
            let connector =
                Connector::with_versions(name, trust, None, SessionReuse::Shared, &[version])
                    .unwrap();
            let found = shake(&connector, &server.acceptor(), usize::MAX);
            let found = found.map(|pair| {
                let is_address = name == "127.0.0.1";
                let asked = (!is_address).then_some(name);
                assert_eq!(pair.server.agreed.server_name.as_deref(), asked);
            });
            assert_eq!(found, expected, "{name} {version:?}");
        }
    }
}

#[test]
fn a_certificate_is_presented_to_a_server_that_requests_one() {
    let signed = Signed::new();
    let other =
        Signed::with_host("other", crate::time::ProcessClock::get().unix_ns().as_duration());
    let required = ClientCertificates::Required(signed.roots.clone());
    let acceptor = Acceptor::new(&signed.server, &required).unwrap();
    for version in VERSIONS {
        for (shown, expected) in [
            (Some(&signed.client), Ok(())),
            (None, Err((Some(Failure::CertificateRequired), Some(Failure::NoPeerCertificate)))),
            (Some(&other.client), Err((Some(Failure::UnknownCa), Some(Failure::PeerUnknownCa)))),
        ] {
            let (trust, reuse) = (&signed.trust, SessionReuse::Shared);
            let connector =
                Connector::with_versions("localhost", trust, shown, reuse, &[version]).unwrap();
            let found = shake(&connector, &acceptor, usize::MAX).map(|pair| {
                let subject = pair.server.agreed.client_subject;
                assert_eq!(subject.as_deref(), Some("CN=sinkd"));
            });
            let told = found.map_err(|(ours, theirs)| match ours {
                // TLS 1.2 has no specific alert for this.
                Some(Failure::HandshakeFailure) => (Some(Failure::CertificateRequired), theirs),
                _ => (ours, theirs),
            });
            assert_eq!(told, expected, "{version:?}");
        }
    }
}

#[test]
fn input_that_is_not_tls_is_recognized() {
    let signed = Signed::new();
    let connector = signed.connector(&TLS13);
    for (said, expected) in [
        (&b"220 ready for TLS\r\n"[..], Failure::NotTls),
        (b"\x15\x03\x03\x00\x02\x02\x28", Failure::HandshakeFailure),
        (b"\x15\x03\x03\x00\x02\x02\x46", Failure::ProtocolVersion),
        (b"\x17\x03\x03\x00\x01x", Failure::Unexpected),
        (b"\x16\x03\x03\xff\xff", Failure::TooLong),
    ] {
        let mut out = Vec::new();
        let handshake = ClientHandshake::new(&connector).unwrap();
        let (_, Ok(ClientStep::Blocked(handshake))) = handshake.advance(&mut [], &mut out) else {
            panic!("the server is to answer")
        };
        assert!(out.starts_with(b"\x16\x03\x01"), "a hello");
        let (_, step) = handshake.advance(&mut said.to_vec(), &mut out);
        assert_eq!(step.err(), Some(expected), "{}", said.escape_ascii());
    }
}
