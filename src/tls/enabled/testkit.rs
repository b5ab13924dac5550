//! TLS against any octets: what the fuzz target calls.
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::version::{TLS12, TLS13};

use super::acceptor::Acceptor;
use super::authority::{Authority, LeafKey};
use super::client::{ClientHandshake, ClientStep};
use super::clients::ClientCertificates;
use super::connector::{Connector, ServerTrust, SessionReuse};
use super::identity::Identity;
use super::record::{Opened, Records};
use super::server::{Handshake, HandshakeStep};

/// Contents that the client seals for the cases with changed octets, each a record.
const CONTENTS: [&[u8]; 3] = [b"EHLO client.example\r\n", b"x", &[b'.'; 300]];

/// Feeds `bytes` to TLS, and panics if something is accepted that the peer did not seal.
///
/// The first octet selects the case (modulo 4) and the version (TLS 1.3, or 1.2 if its bit 2 is
/// set). The other octets are, by case: 0, what a client sends in place of its hello; 1, what a
/// server answers to ours; 2, what a client sends after the handshake; 3, changes to three records
/// of a client, each of two octets for the position and one that is combined with the octet there
/// by XOR.
pub fn check_tls(bytes: &[u8]) {
    let [which, rest @ ..] = bytes else { return };
    let version = if which & 4 == 0 { &TLS13 } else { &TLS12 };
    match which % 4 {
        0 => check_hello(rest),
        1 => check_answer(version, rest),
        2 => check_forged(version, rest),
        _ => check_changed(version, rest),
    }
}

fn acceptor() -> &'static Acceptor {
    static ACCEPTOR: OnceLock<Acceptor> = OnceLock::new();
    ACCEPTOR.get_or_init(|| {
        let now = Duration::from_secs(1_800_000_000);
        let authority = Authority::generate("host", now).expect("a CA is made");
        let key = LeafKey::generate().expect("a key is made");
        let leaf = authority.sign(&key, &["localhost".into()], now).expect("it is signed");
        let private = PrivatePkcs8KeyDer::from(key.der().to_vec()).into();
        let files = (Path::new("cert"), Path::new("key"));
        let identity =
            Identity::from_parts(vec![leaf], private, files).expect("key and certificate match");
        Acceptor::new(&identity, &ClientCertificates::Off).expect("the settings are valid")
    })
}

fn client(version: &'static SupportedProtocolVersion) -> ClientHandshake {
    let (trust, reuse) = (ServerTrust::Anyone, SessionReuse::Never);
    let connector = Connector::with_versions("localhost", &trust, None, reuse, &[version]);
    ClientHandshake::new(&connector.expect("the settings are valid")).expect("it begins")
}

/// Without a key exchange, no handshake is completed, whatever the client sends.
fn check_hello(octets: &[u8]) {
    let (mut incoming, mut out) = (octets.to_vec(), Vec::new());
    let handshake = Handshake::new(acceptor()).expect("it begins");
    let (used, step) = handshake.advance(&mut incoming, &mut out);
    assert!(used <= octets.len());
    assert!(!matches!(step, Ok(HandshakeStep::Done(_))), "no client knows our random numbers");
}

/// A server that has not seen our hello can't have signed it.
fn check_answer(version: &'static SupportedProtocolVersion, octets: &[u8]) {
    let mut hello = Vec::new();
    let (_, step) = client(version).advance(&mut [], &mut hello);
    let Ok(ClientStep::Blocked(handshake)) = step else { panic!("the hello waits for an answer") };
    let mut incoming = octets.to_vec();
    let (used, step) = handshake.advance(&mut incoming, &mut Vec::new());
    assert!(used <= octets.len());
    assert!(!matches!(step, Ok(ClientStep::Done(_))), "no server knows our random numbers");
}

/// Without the keys there is no content.
fn check_forged(version: &'static SupportedProtocolVersion, octets: &[u8]) {
    let (_, mut server) = secured(version);
    let mut incoming = octets.to_vec();
    let opened = server.open(&mut incoming);
    assert!(matches!(opened, Ok(Opened::Incomplete) | Err(_)), "{opened:?}");
}

/// Content is accepted up to the first record that was changed, and none after it.
fn check_changed(version: &'static SupportedProtocolVersion, changes: &[u8]) {
    let (mut client, mut server) = secured(version);
    let (mut sealed, mut ends) = (Vec::new(), Vec::new());
    for content in CONTENTS {
        client.seal(content, &mut sealed, |_, _| {}).expect("the keys are new");
        ends.push(sealed.len());
    }
    let original = sealed.clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % sealed.len();
        sealed[place] ^= change[2];
    }
    let first_changed = (0..sealed.len()).find(|place| sealed[*place] != original[*place]);
    let whole = ends.iter().filter(|end| first_changed.is_none_or(|place| place >= **end)).count();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Ok(Opened::Content { place, octets }) = server.open(&mut sealed[at..]) {
        found.extend_from_slice(&sealed[at..][place]);
        at += octets;
    }
    assert_eq!(found, CONTENTS[..whole].concat());
}

/// Returns the records of a client and of a server after their handshake.
fn secured(version: &'static SupportedProtocolVersion) -> (Records, Records) {
    let mut client = Some(client(version));
    let mut server = Some(Handshake::new(acceptor()).expect("it begins"));
    let (mut of_client, mut of_server) = (None, None);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        if let Some(handshake) = client.take() {
            let (used, step) = handshake.advance(&mut to_client, &mut to_server);
            to_client.drain(..used);
            match step.expect("the server is ours") {
                ClientStep::Blocked(next) => client = Some(next),
                ClientStep::Done(secured) => of_client = Some(secured.records),
            }
        }
        if let Some(handshake) = server.take() {
            let (used, step) = handshake.advance(&mut to_server, &mut to_client);
            to_server.drain(..used);
            match step.expect("the client is ours") {
                HandshakeStep::Blocked(next) => server = Some(next),
                HandshakeStep::Done(established) => of_server = Some(established.records),
            }
        }
        match (of_client.take(), of_server.take()) {
            (Some(of_client), Some(of_server)) => return (of_client, of_server),
            unfinished => (of_client, of_server) = unfinished,
        }
    }
}
