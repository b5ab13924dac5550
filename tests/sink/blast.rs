//! The messages that `sinkctl blast` sends: reproducible from the seed, of the requested size, with
//! valid checksums, and in the declared form.
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use sinkd::mime::{Extractor, MailFacts};
use sinkd::sender::Positive;
use sinkd::sender::blast::attachment::Attachment;
use sinkd::sender::blast::list::List;
use sinkd::sender::blast::recipients::{RecipientOrder, RecipientSource};
use sinkd::sender::blast::size::Sizes;
use sinkd::sender::blast::template::{Names, Template};
use sinkd::sender::blast::{
    Arrivals, Blast, BlastContent, BlastPlan, BlastSettings, MessageDate, MissingNumbers,
    PlanError, SendingRate,
};
use sinkd::sender::source::{Outcome, Pulled, ReplyCode, SessionEnd, Source};
use sinkd::smtp::client::{ContentForm, OutgoingMail};
use sinkd::smtp::data::unstuff;
use sinkd::time::MonotonicNs;
use sinkd::wording::parse_size;

const DATE: &str = "Sat, 21 Nov 2026 10:00:00 +0000";

fn settings(size: &str) -> BlastSettings {
    BlastSettings {
        seed: 7,
        run_id: None,
        date: MessageDate::new(DATE).unwrap(),
        from: "news@sender.example".into(),
        recipients: RecipientSource::generated("example.com", 1000).unwrap(),
        content: BlastContent::Generated(Sizes::parse(size, parse_size).unwrap()),
        attachments: Vec::new(),
        count: Some(300),
        pace: None,
    }
}

fn per_s(rate: f64) -> Positive {
    Positive::new(rate).unwrap()
}

fn template(text: &str) -> BlastSettings {
    let names = Names { file: "t", columns: &[] };
    let content = BlastContent::Template(Template::parse(&names, text.as_bytes()).unwrap());
    BlastSettings { content, ..settings("2K") }
}

/// A message as a source returned it.
#[derive(Debug, Clone, PartialEq)]
struct SourcedMessage {
    due_ns: Option<MonotonicNs>,
    from: Vec<u8>,
    to: Vec<Vec<u8>>,
    form: ContentForm,
    octets: u64,
    wire: Vec<u8>,
}

impl SourcedMessage {
    fn of(due_ns: Option<MonotonicNs>, mail: &OutgoingMail) -> SourcedMessage {
        SourcedMessage {
            due_ns,
            from: mail.reverse_path().to_vec(),
            to: mail.recipients().map(|(path, _)| path.to_vec()).collect(),
            form: mail.form,
            octets: mail.octets(),
            wire: [&mail.head[..], &mail.body[..]].concat(),
        }
    }

    /// Returns the content without stuffed dots.
    fn message(&self) -> Vec<u8> {
        match self.form {
            ContentForm::Stuffed { .. } => unstuff(&self.wire).into_owned(),
            ContentForm::Clean | ContentForm::Raw => self.wire.clone(),
        }
    }
}

fn generate(settings: BlastSettings, threads: usize) -> BTreeMap<u64, SourcedMessage> {
    let plan = BlastPlan::new(settings).unwrap();
    let mut all = BTreeMap::new();
    let mut sources: Vec<_> =
        (0..threads).map(|_| (Blast::new(&plan), MonotonicNs::START)).collect();
    let mut mail = OutgoingMail::default();
    // The threads take turns, the first one more often.
    for turn in 0.. {
        let thread = turn % (threads + 1) % threads;
        let (source, last) = &mut sources[thread];
        mail.clear();
        let Pulled::Mail(due) = source.next(&mut mail).unwrap() else { break };
        assert!(due.due_ns.unwrap_or(*last) >= *last, "moments never fall");
        *last = due.due_ns.unwrap_or(*last);
        assert!(all.insert(due.ticket, SourcedMessage::of(due.due_ns, &mail)).is_none());
    }
    all
}

/// CRC-32C bit by bit, sharing no code: RFC 3720's polynomial, reflected.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0u32, |crc, &octet| {
        (0..8).fold(crc ^ u32::from(octet), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// Checks the properties of every message: number, checksum, lines, form.
fn check(number: u64, sent: &SourcedMessage) {
    let message = sent.message();
    assert_eq!(message.len() as u64, sent.octets, "{number}");
    let cut = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (header, body) = message.split_at(cut);
    let header = std::str::from_utf8(header).unwrap();
    let field = |name: &str| {
        let lines: Vec<_> = header.lines().filter_map(|line| line.strip_prefix(name)).collect();
        assert_eq!(lines.len(), 1, "{name} in {header}");
        lines[0].to_owned()
    };
    assert_eq!(field("X-Sequence: ").parse(), Ok(number));
    assert_eq!(field("X-Content-CRC32C: "), format!("{:08x}", crc32c(body)), "{number}");
    for name in ["From: ", "To: ", "Subject: ", "Date: ", "Message-ID: <", "X-Run: "] {
        field(name);
    }
    assert!(message.ends_with(b"\r\n"), "{number}");
    let lines: Vec<_> = sent.wire.split(|&octet| octet == b'\n').collect();
    let (end, lines) = lines.split_last().unwrap();
    assert!(end.is_empty());
    for line in lines {
        let line = line.strip_suffix(b"\r").expect("every line ends with CRLF");
        assert!(line.len() <= 998 && !line.contains(&b'\r'), "{number}: {}", line.len());
        let may_begin_with_dot = sent.form != ContentForm::Clean;
        assert!(may_begin_with_dot || !line.starts_with(b"."), "{number}");
        let is_stuffed = !line.starts_with(b".") || line.starts_with(b"..");
        assert!(sent.form == ContentForm::Raw || is_stuffed, "{number}");
    }
    let mut facts = MailFacts::default();
    Extractor::new(Some("X-Sequence")).extract(&message, &mut facts);
    assert_eq!((facts.sequence, facts.is_unparsed), (Some(number), false));
}

#[test]
fn messages_have_the_requested_size() {
    for size in ["600", "1000", "1100", "1200", "1300", "1400", "2K", "20K", "300K"] {
        let all = generate(BlastSettings { count: Some(20), ..settings(size) }, 1);
        assert_eq!(all.len(), 20);
        for (number, mail) in all {
            assert_eq!(Some(mail.octets), parse_size(size), "message {number}");
            check(number, &mail);
        }
    }
}

#[test]
fn sizes_are_drawn_from_the_distribution() {
    for size in ["mixed", "uniform:1K-9K", "lognormal:4K,1"] {
        let sizes = Sizes::parse(size, parse_size).unwrap();
        let (low, high) = sizes.bounds();
        let all = generate(settings(size), 1);
        assert_eq!(all.len(), 300);
        let mut seen: Vec<u64> = all.values().map(|mail| mail.octets).collect();
        // The smallest possible message can be larger than the drawn size.
        assert!(seen.iter().all(|octets| (low..=high).contains(octets) || *octets < 700), "{size}");
        all.iter().for_each(|(number, mail)| check(*number, mail));
        seen.sort_unstable();
        seen.dedup();
        let expected = if size == "mixed" { 3..=3 } else { 200..=300 };
        assert!(expected.contains(&seen.len()), "{size}: {} sizes", seen.len());
    }
}

#[test]
fn too_small_sizes_are_refused() {
    let smallest = |settings: BlastSettings| match BlastPlan::new(settings).map(|_| ()) {
        Err(PlanError::TooSmall { smallest, .. }) => smallest,
        other => panic!("{other:?}"),
    };
    let needed = smallest(settings("1"));
    assert!((400..600).contains(&needed), "{needed}");
    assert_eq!(smallest(settings(&(needed - 1).to_string())), needed);
    let all = generate(settings(&needed.to_string()), 1);
    assert!(all.values().all(|mail| mail.octets == needed));
    // No message of this distribution would be large enough.
    let all = generate(settings("lognormal:1,0"), 1);
    assert!(all.values().all(|mail| mail.octets == needed));
}

#[test]
fn attachments_are_added_to_the_size() {
    let attachments = vec![Attachment::generated(1, 1000), Attachment::generated(2, 30)];
    let bytes: usize = attachments.iter().map(|attachment| attachment.part().len()).sum();
    for size in ["800", "4K"] {
        let all = generate(BlastSettings { attachments: attachments.clone(), ..settings(size) }, 1);
        for (number, mail) in all {
            assert_eq!(Some(mail.octets), parse_size(size).map(|size| size + bytes as u64));
            check(number, &mail);
            let mut facts = MailFacts::default();
            Extractor::new(None).extract(&mail.message(), &mut facts);
            assert_eq!(facts.file_names, "attachment.bin\nattachment.bin", "{size}");
        }
    }
}

#[test]
fn newsletters_parse_as_newsletters() {
    let all = generate(settings("4K"), 1);
    let message = all[&0].message();
    let parts = sinkd::mime::part::parts(&message).parts;
    let types: Vec<_> = parts.iter().map(|part| part.content_type.as_str()).collect();
    assert_eq!(types, ["multipart/alternative", "text/plain", "text/html"]);
    let html = std::str::from_utf8(parts[2].body).unwrap();
    assert!(html.contains("<a href=\"https://") && html.contains("</html>"), "{html}");
}

#[test]
fn templates_with_leading_dots_are_marked_as_stuffed() {
    for (body, form) in [
        ("Hello {{rcpt}}\n", ContentForm::Clean),
        ("Hello {{rcpt}}\n.dot\n..\n", ContentForm::Stuffed { dots: 2 }),
        (".{{rcpt}}\n", ContentForm::Raw),
    ] {
        let all = generate(template(&format!("Subject: {{{{seq}}}}\n\n{body}")), 1);
        assert_eq!(all.len(), 300);
        for (number, mail) in all {
            assert_eq!(mail.form, form, "{body:?}");
            check(number, &mail);
        }
    }
}

#[test]
fn columns_are_inserted_into_the_message_of_their_recipient() {
    let list = List::parse("l", b"email,name\na@x.example,Ann\nb@x.example,Bob\n").unwrap();
    let names = Names { file: "t", columns: list.columns() };
    let text = "Subject: Dear {{col:name}}\n\nYour address is {{col:email}}\n";
    let content = BlastContent::Template(Template::parse(&names, text.as_bytes()).unwrap());
    let recipients = RecipientSource::listed(list);
    let all = generate(BlastSettings { content, recipients, ..settings("2K") }, 2);
    for (number, mail) in all {
        let (name, address) = [("Ann", "a@x.example"), ("Bob", "b@x.example")][number as usize % 2];
        assert_eq!(mail.to, [address.as_bytes()]);
        let message = String::from_utf8(mail.message()).unwrap();
        assert!(
            message.contains(&format!("To: {address}\r\nSubject: Dear {name}\r\n")),
            "{message}"
        );
        assert!(message.ends_with(&format!("Your address is {address}\r\n")), "{message}");
    }
}

#[test]
fn non_ascii_addresses_request_smtputf8() {
    let list = List::parse("l", "\u{f6}@x.example\na@x.example".as_bytes()).unwrap();
    let plan = BlastPlan::new(BlastSettings {
        recipients: RecipientSource::listed(list),
        ..settings("2K")
    });
    let mut source = Blast::new(&plan.unwrap());
    for expected in [&b"SMTPUTF8"[..], b""] {
        let mut mail = OutgoingMail::default();
        source.next(&mut mail).unwrap();
        assert_eq!(mail.parameters(), expected);
    }
}

#[test]
fn a_rate_and_a_duration_determine_the_count() {
    let until = Some(Duration::from_millis(1500));
    let pace = Some(SendingRate { per_s: per_s(1000.0), arrivals: Arrivals::Even, until });
    let all = generate(BlastSettings { count: None, pace, ..settings("2K") }, 3);
    assert_eq!(all.len(), 1500);
    assert!(
        all.iter().all(|(number, mail)| mail.due_ns == Some(MonotonicNs::new(number * 1_000_000)))
    );
}

#[test]
fn numbers_of_possibly_missing_messages_are_known() {
    let plan = BlastPlan::new(settings("2K")).unwrap();
    let mut source = Blast::new(&plan);
    for (ticket, end) in [
        (9, SessionEnd::NotSent),
        (2, SessionEnd::Unknown),
        (3, SessionEnd::Answered),
        (1, SessionEnd::NotSent),
    ] {
        source.done(
            ticket,
            &Outcome { end, codes: &[ReplyCode::new(250)], at_ns: MonotonicNs::START },
        );
    }
    assert_eq!(plan.missing(), MissingNumbers { not_sent: vec![1, 9], unknown: vec![2] });
}

#[test]
fn bad_settings_are_refused() {
    let refused =
        |settings: BlastSettings| BlastPlan::new(settings).err().expect("an error").to_string();
    let from = |from: &str| BlastSettings { from: from.into(), ..settings("2K") };
    assert!(refused(from("a b")).contains("found 'a b'"));
    assert!(BlastPlan::new(from("")).is_ok());
    let run = |id: &str| BlastSettings { run_id: Some(id.into()), ..settings("2K") };
    for (id, is_fine) in [("", false), ("a b", false), (&"x".repeat(65), false), ("a-1", true)] {
        assert_eq!(BlastPlan::new(run(id)).is_ok(), is_fine, "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any number of threads the messages are the same, octet by octet.
    #[test]
    fn a_seed_determines_the_set_of_messages(
        seed: u64,
        threads in 1usize..7,
        size in prop::sample::select(vec!["700", "2K", "mixed", "uniform:1K-9K", "lognormal:3K,0.8"]),
        rcpts in prop::sample::select(vec!["1", "3", "1-4"]),
        order in prop::sample::select(vec![RecipientOrder::Listed, RecipientOrder::Random]),
        arrivals in prop::sample::select(vec![Arrivals::Even, Arrivals::Poisson]),
        is_template: bool,
    ) {
        let made = || {
            let text = "Subject: {{random:9}}\n\n{{uuid}} {{rcpt.local}} {{seq}}\n.{{date}}\n";
            let base = if is_template { template(text) } else { settings(size) };
            let pace = Some(SendingRate { per_s: per_s(5000.0), arrivals, until: None });
            let recipients = base.recipients.clone().chosen(rcpts.parse().unwrap(), order).unwrap();
            BlastSettings { seed, pace, recipients, count: Some(40), ..base }
        };
        let alone = generate(made(), 1);
        prop_assert_eq!(alone.len(), 40);
        alone.iter().for_each(|(number, mail)| check(*number, mail));
        prop_assert_eq!(generate(made(), threads), alone);
    }
}
