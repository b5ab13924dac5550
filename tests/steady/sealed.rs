//! What TLS adds to a message, counted.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use sinkd::config::{Config, ListenAddress};
use sinkd::server::{Server, StopStage};
use sinkd::tls::CertificateFolder;
use sinkd::tls::by_hand::{ClientByHand, ClientOffer};
use tempfile::tempdir;

use super::common::is_whole;
use super::counting::{Counts, OnlyServer};

/// A connection, and its TLS, if it has any.
struct Client {
    stream: TcpStream,
    tls: Option<ClientByHand>,
}

impl Client {
    fn say(&mut self, octets: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(octets).unwrap() };
        tls.say(octets);
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
            tls.hear(&buffer[..count]);
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

    /// Sends `body` as `messages` messages, a command per round trip.
    fn send(&mut self, messages: usize, body: &[u8]) {
        for _ in 0..messages {
            self.talk(b"MAIL FROM:<sender@example.org>\r\n", "250");
            self.talk(b"RCPT TO:<recipient@example.com>\r\n", "250");
            self.talk(b"DATA\r\n", "354");
            self.talk(body, "250");
        }
    }
}

fn client(server: &Server, data: &Path, listener: usize) -> Client {
    let ListenAddress::Tcp(address) = server.listeners()[listener].address else {
        panic!("a TCP address")
    };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut tls = None;
    if listener == 1 {
        let ca = CertificateFolder::of(data).ca_path();
        let mut client = ClientOffer::trusting(&ca).client();
        stream.write_all(&client.take_octets()).unwrap();
        tls = Some(client);
    }
    let mut client = Client { stream, tls };
    assert!(client.reply().starts_with("220 "));
    client.talk(b"EHLO client.example\r\n", "250");
    client
}

/// Returns what `messages` messages cost in plain text, and under TLS.
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
    let counts = [0, 1].map(|listener| {
        let mut client = client(&server, data.path(), listener);
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
fn tls_allocates_once_for_each_record_of_replies() {
    const MESSAGES: u64 = 500;
    let [plain, sealed] = counts(MESSAGES as usize, &message(2000));
    assert!(plain.allocations <= 10, "{} in plain text", plain.allocations);
    // Four replies: rustls returns each record in a vector of its own.
    let most = 4 * MESSAGES + 10;
    assert!(sealed.allocations <= most, "{} under TLS, not {most}", sealed.allocations);
}

/// A message that lies in one record is copied once more than in plain text, where it is read into
/// the log: from where it was decrypted.
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

/// Of a longer message, the last record of a read is mostly cut, and moves to where the next read
/// goes.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_long_message_is_copied_once_under_tls_and_cut_records_once_more() {
    const MESSAGES: usize = 10;
    let body = message(200 << 10);
    let [plain, sealed] = counts(MESSAGES, &body);
    let more = sealed.copied as f64 - plain.copied as f64;
    let per_message = more / (MESSAGES * body.len()) as f64;
    assert!((0.9..2.0).contains(&per_message), "{per_message} copies more");
}
