//! Folding text into words, running queries on the columns of a message and on the message itself,
//! and the cost of an index of many messages.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sinkd::index::query::testkit::{MAIL, columns, runs};
use sinkd::index::query::{Query, Scratch};
use sinkd::index::testkit;
use sinkd::index::{Columns, IndexEntry, Sidecar, TextColumn};
use sinkd::mime::fold::fold;
use sinkd::mime::text::fold_body;
use sinkd::mime::{Extractor, MailFacts};
use sinkd::time::UnixNs;
use std::hint::black_box;

/// Returns about 64 KiB of repeated `sentence`.
fn text(sentence: &str) -> String {
    sentence.repeat((64 << 10) / sentence.len())
}

fn folding(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold");
    let mut out = String::new();
    fold("Dear Ann, Grüße!", &mut out);
    assert_eq!(out, " dear ann grusse ");
    for (name, sentence) in [
        ("english", "Dear Ann, your order no. 4711 has been sent; track it at example.org.\r\n"),
        (
            "german",
            "Sehr geehrte Frau Müller, für Ihre Bestellung vielen Dank und schöne Grüße.\r\n",
        ),
        ("russian", "Здравствуйте, ваш заказ отправлен и скоро будет у вас.\r\n"),
        ("japanese", "ご注文の商品を発送いたしました。ありがとうございます。\r\n"),
        ("korean", "주문하신 상품이 발송되었습니다. 감사합니다.\r\n"),
        ("thai", "สินค้าของคุณถูกจัดส่งแล้ว ขอบคุณครับ\r\n"),
    ] {
        let text = text(sentence);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                fold(black_box(&text), &mut out);
                out.len()
            })
        });
    }
    group.finish();
}

/// A mail of a few KiB: plain text in quoted-printable, and the same text as HTML.
fn mail() -> Vec<u8> {
    let plain =
        "Dear Ann, your order no. 4711 has been sent =E2=80=93 track it at example.org.\r\n";
    let html =
        "<tr><td class=\"a\">Dear Ann,</td><td>your order no. 4711 &ndash; sent.</td></tr>\r\n";
    let head = "Subject: Your order\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n";
    let encoding = "Content-Transfer-Encoding: quoted-printable";
    format!(
        "{head}--b\r\nContent-Type: text/plain; charset=utf-8\r\n{encoding}\r\n\r\n{}\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{}--b--\r\n",
        plain.repeat(24),
        html.repeat(24)
    )
    .into_bytes()
}

fn queries(c: &mut Criterion) {
    let mut group = c.benchmark_group("query");
    let (columns, mut scratch): (Columns<'_>, _) = (columns(), Scratch::default());
    for (name, text, expected) in [
        ("columns: domain", "from:example.net", Some(false)),
        ("columns: subject", "subject:invoice", Some(false)),
        (
            "columns: five terms",
            "subject:order to:example.com size:<1M after:1h -run:now",
            Some(true),
        ),
        ("columns: word that needs the body", "nothing", None),
    ] {
        let query = Query::parse(text, columns.received_at_ns, &runs()).unwrap();
        assert_eq!(query.matches_columns(&columns, &mut scratch), expected);
        group.bench_function(name, |b| {
            b.iter(|| query.matches_columns(black_box(&columns), &mut scratch))
        });
    }
    let mail = mail();
    let query = Query::parse("nothing", UnixNs::EPOCH, &runs()).unwrap();
    assert!(!query.matches_message(&columns, MAIL, &mut scratch));
    group.throughput(Throughput::Bytes(mail.len() as u64));
    group.bench_function("body: word that is not there", |b| {
        b.iter(|| query.matches_message(&columns, black_box(&mail), &mut scratch))
    });
    let mut words = String::new();
    group.bench_function("body: decoded and folded", |b| {
        b.iter(|| {
            words.clear();
            fold_body(black_box(&mail), &mut words);
            words.len()
        })
    });
    group.finish();
}

/// Returns the strings of this number of messages, from ten domains.
fn strings(messages: u32) -> Vec<[String; 4]> {
    let strings = |n| {
        let from = format!("news@m{}.example.org", n % 10);
        let to = format!("reader{n}@example.com");
        [from, to, format!("Your order {n}"), format!("{n}@mail.example.org")]
    };
    (0..messages).map(strings).collect()
}

fn entry(slot: usize, [from, to, subject, message_id]: &[String; 4]) -> IndexEntry<'_> {
    IndexEntry {
        slot: slot as u32,
        columns: Columns {
            message_bytes: 5000,
            reverse_path: from,
            forward_paths: TextColumn(to),
            from: TextColumn(from),
            to: TextColumn(to),
            subject,
            message_id,
            ..Columns::default()
        },
        is_whole: true,
        ..IndexEntry::default()
    }
}

fn indexing(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    let mail = [&mail()[..], &b"x\r\n".repeat(500)].concat();
    let (extractor, mut facts) = (Extractor::new(None), MailFacts::default());
    extractor.extract(&mail, &mut facts);
    assert_eq!((facts.subject.as_str(), facts.is_unparsed), ("Your order", false));
    group.bench_function("one message of 5 KB", |b| {
        b.iter(|| extractor.extract(black_box(&mail), &mut facts))
    });
    let strings = strings(10_000);
    let entries: Vec<_> = strings.iter().enumerate().map(|(slot, s)| entry(slot, s)).collect();
    let bytes = testkit::sidecar(&entries);
    let read = || Sidecar::parse(bytes.clone(), &testkit::IDENTITY).unwrap();
    assert_eq!((read().records(), read().unsound_bytes()), (10_000, 0));
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("write a sidecar", |b| {
        b.iter(|| testkit::sidecar(black_box(&entries)).len())
    });
    group.bench_function("read a sidecar", |b| b.iter(|| read().records()));
    let (sidecar, mut scratch) = (read(), Scratch::default());
    let query = Query::parse("from:m3.example.org", UnixNs::EPOCH, &runs()).unwrap();
    let mut matches = || {
        let matching =
            |e: &IndexEntry<'_>| query.matches_columns(&e.columns, &mut scratch) == Some(true);
        sidecar.backward().filter(matching).count()
    };
    assert_eq!(matches(), 1000);
    group.bench_function("columns: from a domain", |b| b.iter(&mut matches));
    group.finish();
}

criterion_group!(benches, folding, queries, indexing);
criterion_main!(benches);
