//! Counts what TLS adds to the cost of a message.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use sinkd::config::{Config, ListenAddress};
use sinkd::server::{Server, StopStage};
use sinkd::tls::CertificateFolder;
use sinkd::tls::by_hand::{ClientByHand, ClientOffer};
use tempfile::tempdir;

use super::common::trace::thread_named;
use super::common::{Sink, is_whole};
use super::counted::system_calls;
use super::counting::{Counts, OnlyServer};

/// A connection, with or without TLS.
struct Client {
    stream: TcpStream,
    tls: Option<ClientByHand>,
}

impl Client {
    fn say(&mut self, octets: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(octets).unwrap() };
        tls.send(octets);
        self.stream.write_all(&tls.take_octets()).unwrap();
    }

    fn reply(&mut self) -> String {
        let (mut reply, mut buffer) = (Vec::new(), [0; 4096]);
        while !is_whole(&reply) {
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "closed after {}", String::from_utf8_lossy(&reply));
            let Some(tls) = &mut self.tls else {
                reply.extend_from_slice(&buffer[..count]);
                continue;
            };
            tls.receive(&buffer[..count]);
            assert_eq!(tls.take_error(), None);
            self.stream.write_all(&tls.take_octets()).unwrap();
            reply.extend(tls.take_content());
        }
        String::from_utf8(reply).unwrap()
    }

    #[track_caller]
    fn talk(&mut self, octets: &[u8], code: &str) {
        self.say(octets);
        let reply = self.reply();
        assert!(reply.starts_with(code), "{reply}");
    }

    /// Sends `body` as `messages` messages, one command per round trip.
    fn send(&mut self, messages: usize, body: &[u8]) {
        for _ in 0..messages {
            self.talk(b"MAIL FROM:<sender@example.org>\r\n", "250");
            self.talk(b"RCPT TO:<recipient@example.com>\r\n", "250");
            self.talk(b"DATA\r\n", "354");
            self.talk(body, "250");
        }
    }
}

/// Connects to the listener at `address`. If there is a CA for it, the connection begins with TLS.
fn client(address: SocketAddr, ca: Option<&Path>) -> Client {
    let mut stream = crate::common::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let tls = ca.map(|ca| {
        let mut client = ClientOffer::trusting(ca).client();
        stream.write_all(&client.take_octets()).unwrap();
        client
    });
    let mut client = Client { stream, tls };
    assert!(client.reply().starts_with("220 "));
    client.talk(b"EHLO client.example\r\n", "250");
    client
}

/// Returns the costs of `messages` messages in plain text and under TLS.
fn counts(messages: usize, body: &[u8]) -> [Counts; 2] {
    let only = OnlyServer::lock();
    let data = tempdir().unwrap();
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap(), "smtps:127.0.0.1:0".parse().unwrap()],
        data: data.path().into(),
        workers: Some(1),
        ..Config::default()
    };
    let server = Server::start(&config).unwrap().server;
    let ca = CertificateFolder::in_data_folder(data.path()).ca_path();
    let counts = [(0, None), (1, Some(&*ca))].map(|(listener, ca)| {
        let ListenAddress::Tcp(address) = server.listeners()[listener].address else {
            panic!("a TCP address")
        };
        let mut client = client(address, ca);
        client.send(messages / 10, body);
        only.count(|| client.send(messages, body))
    });
    server.stop().begin(StopStage::AtOnce);
    server.join();
    counts
}

fn message(bytes: usize) -> Vec<u8> {
    const LINE: &[u8] = b"0123456789abcdef0123456789abcd\r\n";
    [&b"Subject: steady\r\n\r\n"[..], &LINE.repeat(bytes / LINE.len()), b".\r\n"].concat()
}

#[test]
fn tls_allocates_once_per_record_of_replies() {
    const MESSAGES: u64 = 500;
    let [plain, sealed] = counts(MESSAGES as usize, &message(2000));
    assert!(plain.allocations <= 10, "{} in plain text", plain.allocations);
    // Four replies: rustls returns each record in a vector of its own.
    let most = 4 * MESSAGES + 10;
    assert!(sealed.allocations <= most, "{} under TLS, not {most}", sealed.allocations);
}

/// A message in one record is copied once more than in plain text, where it is received directly
/// into the log: under TLS it is copied there from where it was decrypted.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_message_in_one_record_is_copied_once_under_tls() {
    const MESSAGES: usize = 500;
    let body = message(2000);
    let [plain, sealed] = counts(MESSAGES, &body);
    let more = sealed.copied as f64 - plain.copied as f64;
    let per_message = more / (MESSAGES * body.len()) as f64;
    assert!((0.9..=1.02).contains(&per_message), "{per_message} copies more");
}

/// With a longer message, the last record of a read is usually incomplete, and is moved to where
/// the next read continues.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_long_message_is_copied_once_under_tls_and_split_records_once_more() {
    const MESSAGES: usize = 10;
    let body = message(200 << 10);
    let [plain, sealed] = counts(MESSAGES, &body);
    let more = sealed.copied as f64 - plain.copied as f64;
    let per_message = more / (MESSAGES * body.len()) as f64;
    assert!((0.9..2.0).contains(&per_message), "{per_message} copies more");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_message_costs_one_receive_and_one_send_per_round_trip_under_tls_too() {
    const MESSAGES: usize = 300;
    let data = tempdir().unwrap();
    let args = ["--workers", "1", "--listen", "smtps:127.0.0.1:0"];
    let sink = Sink::start(data.path(), &args);
    let ca = CertificateFolder::in_data_folder(data.path()).ca_path();
    let mut client = client(sink.addresses[1], Some(&ca));
    let body = message(2000);
    client.send(50, &body);
    let thread = thread_named(sink.pid(), "worker-0");
    let calls = system_calls(thread, || client.send(MESSAGES, &body));
    let per_message =
        |number: i64| *calls.get(&(number as u64)).unwrap_or(&0) as f64 / MESSAGES as f64;
    let receives = per_message(libc::SYS_recvfrom) + per_message(libc::SYS_read);
    let sends = per_message(libc::SYS_sendto) + per_message(libc::SYS_write);
    let waits = per_message(libc::SYS_epoll_wait) + per_message(libc::SYS_epoll_pwait);
    let all = calls.values().sum::<u64>() as f64 / MESSAGES as f64;
    // Four round trips: MAIL, RCPT, DATA, payload.
    assert!((3.9..4.1).contains(&receives), "{receives} receives a message: {calls:?}");
    assert!((3.9..4.1).contains(&sends), "{sends} sends a message: {calls:?}");
    assert!(all - receives - sends - waits < 0.2, "{all} system calls a message: {calls:?}");
}
