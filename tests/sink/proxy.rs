//! The PROXY header: listeners that expect it, and headers that no listener expects.
use crate::common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use common::Sink;
use sinkd::log::reader::Folder;
use sinkd::smtp::envelope::{self, Client};
use sinkd::time::Span;
use tempfile::tempdir;

fn start(data: &Path, args: &[&str]) -> Sink {
    let mut command = common::program(env!("CARGO_BIN_EXE_sinkd"));
    command.args(args).args(["--http", "off", "--log-level", "warn"]);
    Sink::spawn(command.arg("--data").arg(data))
}

fn connect(address: SocketAddr) -> TcpStream {
    common::connect(address).unwrap()
}

/// Reads until the sink closes. A reset counts as an end, too: unread data is lost.
fn rest(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    String::from_utf8(received).unwrap()
}

const DIALOGUE: &[u8] = b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n\
                          DATA\r\nHello.\r\n.\r\nQUIT\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// 192.0.2.7:4660 to 198.51.100.1:25, over TLS.
fn version_2() -> Vec<u8> {
    let inner = b"\x21\x00\x07TLSv1.3\x23\x00\x16TLS_AES_256_GCM_SHA384";
    let mut rest = vec![192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0, 25];
    rest.extend(b"\x02\x00\x0amx.example\x20");
    rest.extend(u16::try_from(5 + inner.len()).unwrap().to_be_bytes());
    rest.extend([1, 0, 0, 0, 0]);
    rest.extend(inner);
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &rest].concat()
}

/// Calls `see` with each envelope in the folder.
fn envelopes(data: &Path, mut see: impl FnMut(envelope::Decoded<'_>)) {
    let folder = Folder::open(data).unwrap();
    let listing = folder.listing(Span::default()).unwrap();
    for slot in listing.forward(0).unwrap().map(Result::unwrap) {
        let (segment, _) = folder.find(slot.id()).unwrap();
        let mut record = Vec::new();
        let (envelope, _) = segment.record(&slot, &mut record).unwrap();
        see(envelope::decode(envelope).unwrap());
    }
}

#[test]
fn the_envelope_has_the_client_of_the_header_and_the_peer() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "proxy:127.0.0.1:0"]);
    let version_1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 25\r\n".to_vec();
    let mut peers = Vec::new();
    for header in [version_1, version_2()] {
        let mut stream = connect(sink.addresses[0]);
        peers.push(stream.local_addr().unwrap());
        stream.write_all(&[&header[..], DIALOGUE].concat()).unwrap();
        let received = rest(stream);
        assert!(received.starts_with("220 ") && received.contains("250 2.0.0 Ok "), "{received}");
    }
    let mut seen = Vec::new();
    envelopes(data.path(), |envelope| {
        assert_eq!(envelope.client, Some(Client::Tcp("192.0.2.7:4660".parse().unwrap())));
        let Some(Client::Tcp(peer)) = envelope.peer else { panic!("{:?}", envelope.peer) };
        let tls = envelope.proxy_tls.map(|tls| (tls.version.to_vec(), tls.server_name.to_vec()));
        seen.push((peer, tls));
    });
    // Each worker has its dedicated segment, so the order is unspecified.
    seen.sort_by_key(|(peer, _)| peers.iter().position(|it| it == peer));
    let tls = Some((b"TLSv1.3".to_vec(), b"mx.example".to_vec()));
    assert_eq!(seen, [(peers[0], None), (peers[1], tls)]);
}

#[test]
fn without_a_valid_header_a_proxied_listener_closes_silently() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "proxy:127.0.0.1:0"]);
    for output in [
        &b"EHLO c.example\r\n"[..],
        b"PROXY TCP4 192.0.2.7 1.2.3.4 1 65536\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        &[SIGNATURE, &[0x31, 0x11, 0, 0]].concat(),
        &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
    ] {
        let mut stream = connect(sink.addresses[0]);
        stream.write_all(output).unwrap();
        assert_eq!(rest(stream), "", "{output:?}");
    }
}

#[test]
fn a_header_is_accepted_only_from_trusted_networks() {
    let data = tempdir().unwrap();
    let listen = ["--listen", "proxy:127.0.0.1:0", "--proxy-trusted", "127.0.0.2/31"];
    let sink = start(data.path(), &listen);
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 25\r\nQUIT\r\n";
    for (from, is_trusted) in [([127, 0, 0, 1], false), ([127, 0, 0, 2], true)] {
        let mut stream = common::connect_from(from, sink.addresses[0]).unwrap();
        let _ = stream.write_all(header);
        assert_eq!(rest(stream).starts_with("220 "), is_trusted, "{from:?}");
    }
}

#[test]
fn the_limit_of_connections_per_client_counts_clients_and_not_their_proxy() {
    let data = tempdir().unwrap();
    let limit = ["--listen", "proxy:127.0.0.1:0", "--connections-per-client-max", "2"];
    let sink = start(data.path(), &limit);
    let mut open = Vec::new();
    let mut first_line = |client: &str| {
        let mut stream = connect(sink.addresses[0]);
        let header = format!("PROXY TCP4 {client} 198.51.100.1 4660 25\r\n");
        stream.write_all(header.as_bytes()).unwrap();
        let mut line = [0; 4];
        stream.read_exact(&mut line).unwrap();
        open.push(stream);
        String::from_utf8(line.to_vec()).unwrap()
    };
    let received: Vec<String> =
        ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(&mut first_line).to_vec();
    assert_eq!(received, ["220 ", "220 ", "421 ", "220 "]);
    // Connections that ended make room for others.
    drop(open);
    common::until_some("room for the client", || {
        let mut stream = connect(sink.addresses[0]);
        stream.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 25\r\nQUIT\r\n").ok()?;
        rest(stream).starts_with("220 ").then_some(())
    });
}

#[test]
fn an_unexpected_header_is_refused_before_any_mail_is_sent() {
    let data = tempdir().unwrap();
    let sink = start(data.path(), &["--listen", "127.0.0.1:0"]);
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 25\r\n".to_vec(), vec!["220", "421"]),
        (version_2(), vec!["220", "421"]),
    ] {
        let mut stream = connect(sink.addresses[0]);
        stream.write_all(&header).unwrap();
        let received = rest(stream);
        let codes: Vec<&str> = received.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, expected, "{received}");
        assert!(received.contains("421 4.3.2 Expected EHLO"), "{received}");
    }
    // After EHLO it is just another unknown command.
    let mut client = sink.connect();
    client.ehlo();
    assert_eq!(client.command("PROXY TCP4 192.0.2.7 198.51.100.1 4660 25"), 500);
    assert_eq!(client.command(""), 500);
    assert_eq!(client.command("NOOP"), 250);
}

#[test]
fn client_addresses_have_one_spelling_however_a_balancer_maps_them() {
    let data = tempdir().unwrap();
    let limit = ["--listen", "proxy:127.0.0.1:0", "--connections-per-client-max", "1"];
    let sink = start(data.path(), &limit);
    let mut open = Vec::new();
    let received = ["TCP4 192.0.2.1 198.51.100.1", "TCP6 ::ffff:192.0.2.1 ::1"].map(|addresses| {
        let mut stream = connect(sink.addresses[0]);
        stream.write_all(format!("PROXY {addresses} 1 25\r\n").as_bytes()).unwrap();
        let mut line = [0; 4];
        stream.read_exact(&mut line).unwrap();
        open.push(stream);
        line
    });
    assert_eq!(received, [*b"220 ", *b"421 "]);
}

#[test]
fn health_checks_of_a_balancer_do_not_keep_a_sink_from_being_idle() {
    let data = tempdir().unwrap();
    let args = ["--listen", "proxy:127.0.0.1:0", "--stop-after-idle", "1s"];
    let sink = start(data.path(), &args);
    let address = sink.addresses[0];
    // Wait until it has stopped on its own: after that, nothing accepts.
    while let Ok(mut stream) = common::connect(address) {
        let _ = stream.write_all(b"PROXY UNKNOWN\r\nEHLO c.example\r\nQUIT\r\n");
        rest(stream);
    }
    assert!(sink.wait().success());
}
