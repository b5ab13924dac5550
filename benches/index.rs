//! Folding text into words.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sinkd::mime::fold::fold;
use std::hint::black_box;

/// About 64 KiB of `sentence` over and over.
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

criterion_group!(benches, folding);
criterion_main!(benches);
