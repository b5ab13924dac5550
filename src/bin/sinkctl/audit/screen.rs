//! Prints an audit as text: the conclusion, the figures, the first offenders.
use std::io::{self, Write};

use sinkd::analysis::audit::{
    AuditConclusion, AuditFigures, CopyReply, Fault, NamedCopy, Offender, SameAs,
};
use sinkd::wording::{counted, printable_line};

use super::checks::checks;
use super::csv::message;
use super::doubts::sentence;
use super::listed::{Listed, ListedKind};
use super::options::Audit;
use crate::base::outcome::Out;

pub fn print(
    figures: &AuditFigures,
    listed: &Listed,
    options: &Audit,
    out: &mut Out,
) -> io::Result<()> {
    writeln!(out, "{}\n", conclusion(figures))?;
    for (number, phrase) in lines(figures, options) {
        writeln!(out, "{:>13}  {phrase}", counted(number, "", "").trim_end())?;
    }
    for doubt in &figures.doubts {
        writeln!(out, "note: {}", sentence(doubt))?;
    }
    for fault in Fault::ALL {
        if let Some(kind) = listed.kind(fault) {
            print_kind(fault, kind, options, out)?;
        }
    }
    Ok(())
}

fn conclusion(figures: &AuditFigures) -> String {
    let checks = checks(figures);
    let faults = checks.iter().filter(|check| check.faults > 0);
    let faults: Vec<&str> = faults.map(|check| check.phrase.as_str()).collect();
    let faults = faults.join(", ");
    match figures.conclusion {
        AuditConclusion::ExactlyOnce => "exactly once: yes".into(),
        AuditConclusion::NotExactlyOnce => format!("exactly once: no: {faults}"),
        AuditConclusion::AsLogged => "as the sender's log says: yes".into(),
        AuditConclusion::NotAsLogged => format!("as the sender's log says: no: {faults}"),
        AuditConclusion::Inconclusive => "inconclusive".into(),
    }
}

/// Returns the figures, each with a label.
fn lines(figures: &AuditFigures, options: &Audit) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let mut add = |number: u64, label: &str| lines.push((number, label.to_owned()));
    add(figures.messages, "messages read");
    add(figures.recipients, "recipients in their envelopes");
    if let Some(expected) = &figures.expected {
        let what = if expected.column.is_some() { "recipients" } else { "numbers" };
        if let Some(column) = &expected.column {
            add(expected.rows, &format!("rows in the list (column {})", printable_line(column)));
            add_if(&mut add, expected.bad_rows, "unusable rows");
            add_if(&mut add, expected.repeated_rows, "repeated rows");
        }
        add(expected.recipients, &format!("distinct {what} expected"));
        add(expected.once, "exactly one message");
        add(expected.missing, "missing");
        add(figures.repeated.recipients, &format!("repeated{}", same(figures)));
        let named_again = figures.repeated.named_again;
        add_if(&mut add, named_again, "named again in the same envelope (not counted)");
        add(expected.unexpected, "unexpected");
    }
    add_if(&mut add, figures.without_key, "without a key");
    if let Some(persons) = &figures.persons {
        let columns = printable_line(&options.must_contain.join(", "));
        add(persons.checked, &format!("messages searched for what they must contain: {columns}"));
        add(persons.wrong, "for the wrong person");
        add_if(&mut add, persons.without_value, "not searched: the list has no value");
    }
    if let Some(content) = &figures.content {
        add(content.checked, "messages with a checksum of their content");
        add(content.changed, "changed in transit");
        add_if(&mut add, content.without_checksum, "messages without a checksum");
    }
    if let Some(order) = &figures.order {
        let distance = match order.out_of_order {
            0 => String::new(),
            _ => format!(" (by up to {})", counted(order.distance_max, "number", "numbers")),
        };
        add(order.out_of_order, &format!("out of order{distance}"));
    }
    if let Some(late) = &figures.late {
        add(late.checked, "messages with the time sent");
        add(late.late, "late");
    }
    if let Some(log) = &figures.sender_log {
        add(log.lines_with_id, "lines of the sender's log with an ID that sinkd assigned");
        add(log.joined.confirmed, "deliveries confirmed by the log");
        let timeless = log.joined.confirmed_without_time;
        add_if(&mut add, timeless, "of them by lines without year or zone: time not compared");
        add_if(&mut add, log.joined.repeated, "claims that another line repeats");
        add_if(&mut add, log.joined.not_selected, "claims about messages that were not selected");
        add(log.joined.only_in_log, "only in the log");
        add(log.joined.not_in_log, "not in the log");
    }
    lines
}

fn add_if(add: &mut impl FnMut(u64, &str), number: u64, phrase: &str) {
    if number > 0 {
        add(number, phrase);
    }
}

/// Returns what the copies have in common, as the end of a line.
fn same(figures: &AuditFigures) -> String {
    let repeated = &figures.repeated;
    let kinds = [
        (repeated.same_message_id_and_content, SameAs::Both),
        (repeated.same_message_id, SameAs::MessageId),
        (repeated.same_content, SameAs::Content),
        (repeated.different, SameAs::Nothing),
        (repeated.unknown, SameAs::Unknown),
    ];
    let kinds = kinds.into_iter().filter(|(recipients, _)| *recipients > 0);
    let kinds: Vec<String> = kinds.map(|(n, same)| format!("{n} with {}", phrase(same))).collect();
    if kinds.is_empty() {
        return String::new();
    }
    let extra = counted(repeated.extra_messages, "extra message", "extra messages");
    format!(": {extra}; {}", kinds.join(", "))
}

fn phrase(same: SameAs) -> &'static str {
    match same {
        SameAs::Both => "the same Message-ID and content",
        SameAs::MessageId => "the same Message-ID and different content",
        SameAs::Content => "the same content and different Message-IDs",
        SameAs::Nothing => "nothing in common",
        SameAs::Unknown => "messages that are not stored",
    }
}

fn print_kind(fault: Fault, kind: &ListedKind, options: &Audit, out: &mut Out) -> io::Result<()> {
    writeln!(out, "\n{} ({})", title(fault), counted(kind.total, "", "").trim_end())?;
    for offender in &kind.kept {
        writeln!(out, "  {}", line(offender, options))?;
    }
    let more = kind.count - kind.kept.len() as u64;
    if more > 0 {
        writeln!(out, "  {}", counted(more, "more (see --csv)", "more (see --csv)"))?;
    }
    Ok(())
}

fn title(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "missing",
        Fault::Repeated => "repeated",
        Fault::Unexpected => "unexpected",
        Fault::WithoutKey => "without a key",
        Fault::WrongPerson => "wrong person",
        Fault::Changed => "changed in transit",
        Fault::OutOfOrder => "out of order",
        Fault::Late => "late",
        Fault::OnlyInLog => "delivered according to the sender's log, but not received",
        Fault::NotInLog => "received, and not in the sender's log",
    }
}

fn line(offender: &Offender, options: &Audit) -> String {
    let mut parts = vec![offender.recipient.clone()];
    // For a claim in a log, the detail contains the line.
    let line = offender.line.filter(|_| offender.fault != Fault::OnlyInLog);
    if let (Some(line), Some(list)) = (line, &options.expect) {
        parts.push(format!("{}:{line}", list.display()));
    }
    if offender.fault == Fault::Missing && offender.count > 1 {
        parts.push(counted(offender.count, "number", "numbers"));
    }
    if offender.count > 1 && offender.fault != Fault::Missing {
        parts.push(counted(offender.count, "message", "messages"));
    }
    parts.extend(offender.same.map(|same| phrase(same).to_owned()));
    parts.extend(offender.first_reply.map(|reply| match reply {
        CopyReply::Acknowledged => "250 sent for the first copy".to_owned(),
        CopyReply::Ambiguous => "250 not sent for the first copy".to_owned(),
    }));
    parts.extend(offender.messages.iter().map(named));
    parts.extend(offender.detail.clone());
    printable_line(&parts.join("  "))
}

/// Formats a message with its time to the millisecond.
fn named(copy: &NamedCopy) -> String {
    let at = &copy.received_at[..copy.received_at.len().min(23)];
    format!("{} ({at}Z)", message(copy))
}
