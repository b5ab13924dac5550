//! The cost of generating a message for sending: built-in content, random sizes, templates.
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sinkd::sender::blast::list::List;
use sinkd::sender::blast::recipients::RecipientSource;
use sinkd::sender::blast::size::Sizes;
use sinkd::sender::blast::template::{Names, Template};
use sinkd::sender::blast::{Blast, BlastContent, BlastPlan, BlastSettings, MessageDate};
use sinkd::sender::source::{Pulled, Source};
use sinkd::smtp::client::OutgoingMail;
use sinkd::wording::parse_size;

fn source(content: BlastContent, recipients: RecipientSource) -> Blast {
    let settings = BlastSettings {
        seed: 1,
        run_id: None,
        date: MessageDate::new("Sat, 21 Nov 2026 10:00:00 +0000").unwrap(),
        from: "news@sender.example".into(),
        recipients,
        content,
        attachments: Vec::new(),
        count: None,
        pace: None,
    };
    Blast::new(&BlastPlan::new(settings).unwrap())
}

fn generated() -> RecipientSource {
    RecipientSource::generated("example.com", 1_000_000).unwrap()
}

fn next(source: &mut Blast, mail: &mut OutgoingMail) -> u64 {
    mail.clear();
    assert!(matches!(source.next(mail), Ok(Pulled::Mail(_))));
    mail.octets()
}

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("blast");
    let template = |text: String, recipients: RecipientSource| {
        let columns = recipients.list().map_or(&[][..], |list| list.columns());
        let template = Template::parse(&Names { file: "t", columns }, text.as_bytes()).unwrap();
        source(BlastContent::Template(template), recipients)
    };
    let sizes = |text| BlastContent::Generated(Sizes::parse(text, parse_size).unwrap());
    let list = List::parse("l", b"email,name\na@x.example,Ann\nb@x.example,Bob\n").unwrap();
    let lines = "A line of the newsletter, as long as such lines are.\n".repeat(30);
    let header = "Subject: News {{seq}}\nMIME-Version: 1.0\n\n";
    let personal = format!("{header}Hello {{{{col:name}}}},\n{lines}{{{{uuid}}}}\n");
    for (name, mut source, least) in [
        ("2K", source(sizes("2K"), generated()), 2048),
        ("mixed", source(sizes("mixed"), generated()), 2048),
        ("lognormal", source(sizes("lognormal:20K,1.2"), generated()), 400),
        ("template header only", template(format!("{header}{lines}"), generated()), 1700),
        ("template to its end", template(personal, RecipientSource::listed(list)), 1700),
    ] {
        let mut mail = OutgoingMail::default();
        for _ in 0..1000 {
            let octets = next(&mut source, &mut mail);
            assert!(octets >= least && (name != "2K" || octets == least), "{name}: {octets}");
        }
        group.bench_function(name, |b| b.iter(|| next(black_box(&mut source), &mut mail)));
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
