//! Command parsing, a plain transaction through the session, and the end-of-data scan.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sinkd::smtp::data::{EndOfData, scan_slowly};
use sinkd::smtp::envelope::Client;
use sinkd::smtp::grammar::{Command, parse};
use sinkd::smtp::limits::SessionLimits;
use sinkd::smtp::policy::Policy;
use sinkd::smtp::proxy;
use sinkd::smtp::session::{Receipt, Session, Step};
use sinkd::smtp::workspace::Workspace;
use std::hint::black_box;
use std::sync::Arc;

fn commands(c: &mut Criterion) {
    let mut group = c.benchmark_group("command");
    let mail = b"MAIL FROM:<bounce-123456@mailer.example.com> SIZE=20480 BODY=8BITMIME";
    let rcpt = b"RCPT TO:<some.other.client@receiver.example.net>";
    let Ok(Command::Mail { parameters, .. }) = parse(mail) else { panic!("a good command") };
    assert_eq!(parameters.size, Some(20480));
    assert!(matches!(parse(rcpt), Ok(Command::Rcpt { .. })));
    assert_eq!(parse(b"DATA"), Ok(Command::Data));
    for (name, line) in [("mail", &mail[..]), ("rcpt", rcpt), ("data", b"DATA")] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(name, |b| b.iter(|| parse(black_box(line)).is_ok()));
    }
    group.finish();
}

struct Name;

impl Receipt for Name {
    fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"17:3");
    }
}

/// Runs one transaction in which the payload is assumed to arrive; the reply octets show that it
/// succeeded.
fn transaction(session: &mut Session, workspace: &mut Workspace, pieces: &[&[u8]]) -> usize {
    for piece in pieces {
        let (consumed, step) = session.feed(black_box(piece), workspace);
        assert_eq!(consumed, piece.len());
        if step == Step::Data {
            session.accept(&Name, workspace);
        }
    }
    let reply_bytes = workspace.replies.len();
    workspace.replies.clear();
    reply_bytes
}

fn sessions(c: &mut Criterion) {
    let policy = Arc::new(Policy::new("sink.example", "127.0.0.1:1025", SessionLimits::default()));
    let mut session = Session::new(Client::Tcp(([127, 0, 0, 1], 2525).into()), policy);
    let mut workspace = Workspace::new(1 << 20);
    session.feed(b"EHLO client.example.com\r\n", &mut workspace);
    workspace.replies.clear();
    let commands: [&[u8]; 3] = [
        b"MAIL FROM:<bounce-123456@mailer.example.com> SIZE=20480\r\n",
        b"RCPT TO:<some.other.client@receiver.example.net>\r\n",
        b"DATA\r\n",
    ];
    let group_of_commands = commands.concat();
    let replies = "250 2.1.0 Reverse-path ok\r\n250 2.1.5 Forward-path ok\r\n\
                   354 Send the message, end with CRLF.CRLF\r\n250 2.0.0 Ok 17:3\r\n";
    assert_eq!(transaction(&mut session, &mut workspace, &commands), replies.len());
    let mut group = c.benchmark_group("transaction");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_command_a_piece", |b| {
        b.iter(|| assert_eq!(transaction(&mut session, &mut workspace, &commands), replies.len()))
    });
    group.bench_function("pipelined", |b| {
        let pieces = [&group_of_commands[..]];
        b.iter(|| assert_eq!(transaction(&mut session, &mut workspace, &pieces), replies.len()))
    });
    group.finish();
}

fn proxies(c: &mut Criterion) {
    let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 46600 25\r\n".to_vec();
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    binary.extend([192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0, 25]);
    let mut group = c.benchmark_group("proxy");
    for (name, header) in [("version_1", line), ("version_2", binary)] {
        let parse = |octets| proxy::parse(octets).ok().flatten().map(|(_, octets)| octets);
        assert_eq!(parse(&header), Some(header.len()));
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(parse(black_box(&header)), Some(header.len())))
        });
    }
    group.finish();
}

/// Lines of 78 octets, of which every tenth begins with a stuffed dot.
fn payload(bytes: usize) -> Vec<u8> {
    let mut wire = Vec::with_capacity(bytes + 80);
    for number in 0.. {
        if wire.len() >= bytes {
            break;
        }
        let start = if number % 10 == 9 { ".." } else { "He" };
        wire.extend_from_slice(format!("{start}llo. This is line {number:<56}\r\n").as_bytes());
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("end_of_data");
    for (name, bytes) in [("2KB", 2 << 10), ("64KB", 64 << 10), ("1MB", 1 << 20)] {
        let wire = payload(bytes);
        let expected = scan_slowly(&wire);
        assert_eq!(expected.0, Some(wire.len()));
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut dots = 0;
                let end = EndOfData::new().scan(black_box(&wire), &mut dots);
                assert_eq!((end, dots), expected);
            })
        });
        let plain = [vec![b'x'; bytes], b"\r\n.\r\n".to_vec()].concat();
        group.bench_function(format!("{name}_one_line"), |b| {
            b.iter(|| {
                let mut dots = 0;
                let end = EndOfData::new().scan(black_box(&plain), &mut dots);
                assert_eq!((end, dots), (Some(plain.len()), 0));
            })
        });
    }
    let plain = vec![b'x'; 1 << 20];
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("1MB_bare_memmem", |b| {
        b.iter(|| assert_eq!(memchr::memmem::find(black_box(&plain), b"\r\n."), None))
    });
    group.finish();
}

criterion_group!(benches, commands, sessions, proxies, scans);
criterion_main!(benches);
