//! `sinkctl stats --by`: who sent how much, by listener, client or recipient domain, from the log
//! itself. Workers record nothing for it.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;
use sinkd::smtp::deviation::Deviation;
use sinkd::stats::Percentiles;

use crate::args::{By, During, Stats};
use crate::during::seconds;
use crate::left_out::{Asked, NoAnswer, TRIES_MAX};
use crate::print::{readable, rfc3339};
use crate::{Finding, Out, report_left_out};

mod groups;
mod missing;
mod print;
mod reading;

use super::transit::{Overall, Transit};
use groups::{Group, Groups, Top};
use missing::Missing;
use reading::{Asks, Counted, Source};

const TENTH_NS: u64 = 100_000_000;

/// The table in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct Table {
    pub by: &'static str,
    /// RFC 3339, of the first and the last message, to a tenth of a second; null without any.
    pub from: Option<String>,
    pub until: Option<String>,
    /// Between them: what rates are over.
    pub seconds: f64,
    /// Those in the table, each once.
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Most messages first.
    pub groups: Vec<Row>,
    /// What is not shown; null: nothing.
    pub others: Option<Others>,
    pub missing: Missing,
    /// Of all messages, each once; only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<Overall>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    /// "" for recipients without a domain, and for clients that are not known.
    pub name: String,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Serialize)]
pub struct Others {
    /// Null: more than could be told apart.
    pub groups: Option<u64>,
    /// No group of them has more.
    pub messages_max: u64,
    #[serde(flatten)]
    pub figures: Figures,
}

#[derive(Debug, Serialize)]
pub struct Figures {
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// Mean over `seconds`.
    pub messages_per_s: f64,
    /// Of all messages in the table.
    pub share: f64,
    /// Messages that broke a rule which was tolerated, by kind; kinds without any are left out.
    pub deviations: BTreeMap<&'static str, u64>,
    pub transaction_us: Percentiles,
    /// Only with --sent-field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit: Option<Transit>,
}

/// What is asked of a log.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub during: &'a During,
    pub by: By,
    /// Groups that the table names.
    pub shown: usize,
    pub sent_field: Option<&'a str>,
}

/// A table, and what it was made of.
pub struct Found {
    pub table: Table,
    /// Messages that are not in it, as they can't be read.
    pub damaged: u64,
    damage: Vec<String>,
    sources: Vec<Source>,
    asked: Asked,
}

pub fn run(folders: &[PathBuf], stats: &Stats, by: By, out: &mut Out) -> anyhow::Result<Finding> {
    let (during, sent_field) = (&stats.during, stats.sent.sent_field.as_deref());
    let shown = usize::try_from(stats.top)?;
    let found = find(folders, Question { during, by, shown, sent_field })?;
    let mut finding = match found.damaged {
        0 => Finding::Holds,
        _ => Finding::DoesNotHold,
    };
    say_damage(&found);
    match (stats.json, stats.csv) {
        (true, _) => print::json(&found.table, out)?,
        (_, true) => print::csv(&found.table, out)?,
        _ => print::text(&found.table, by, out)?,
    }
    for source in &found.sources {
        if report_left_out(&source.folder) == Finding::DoesNotHold {
            finding = Finding::DoesNotHold;
        }
    }
    Ok(found.asked.finding(finding))
}

fn say_damage(found: &Found) {
    if found.damaged > 0 {
        found.damage.iter().for_each(|damage| eprintln!("sinkctl: {damage}"));
        let damaged = crate::print::counted(found.damaged, "message is", "messages are");
        eprintln!("sinkctl: {damaged} damaged, and not in the table (see: sinkctl verify)");
    }
}

/// Transit times of all messages of a span. Says on stderr what is damaged.
///
/// Errors: those of [`find`]; all of it was pruned before it could be read.
pub fn transit(
    folders: &[PathBuf],
    during: &During,
    sent_field: &str,
) -> anyhow::Result<Option<Overall>> {
    let sent_field = Some(sent_field);
    let found = find(folders, Question { during, by: By::Nothing, shown: 1, sent_field })?;
    say_damage(&found);
    for source in &found.sources {
        report_left_out(&source.folder);
    }
    match found.asked {
        Asked::Answered => Ok(found.table.transit),
        Asked::Outpaced => Err(NoAnswer::Outpaced.into()),
    }
}

/// Reads what the log has of a span.
///
/// Errors: a folder has no log, or can't be read.
pub fn find(folders: &[PathBuf], question: Question<'_>) -> anyhow::Result<Found> {
    let Question { during, by, shown, sent_field } = question;
    let asks = Asks { by, sent_field };
    // Whole seconds, as all statistics: both agree on what belongs to a span.
    let spans: Vec<Range<u64>> = during.spans(folders)?.iter().map(whole).collect();
    let mut sources = open_all(folders, &spans)?;
    let (mut counted, mut top) = count(&sources, asks, shown);
    let is_outpaced = |counted: &Counted| counted.messages == 0 && counted.pruned > 0;
    for _ in 1..TRIES_MAX {
        if !is_outpaced(&counted) {
            break;
        }
        sources = open_all(folders, &spans)?;
        (counted, top) = count(&sources, asks, shown);
    }
    let asked = if is_outpaced(&counted) { Asked::Outpaced } else { Asked::Answered };
    let missing = Missing::of(&sources, &spans, &counted)?;
    let table = Table::of(asks, &counted, top, missing);
    let Counted { damaged, damage, .. } = counted;
    Ok(Found { table, damaged, damage, sources, asked })
}

fn open_all(folders: &[PathBuf], spans: &[Range<u64>]) -> anyhow::Result<Vec<Source>> {
    folders.iter().zip(spans).map(|(folder, span)| Source::open(folder, span)).collect()
}

fn whole(span: &Range<u64>) -> Range<u64> {
    let Range { start, end } = seconds(span);
    let ns = |s: u64| s.saturating_mul(1_000_000_000);
    ns(start)..ns(end)
}

/// Counts once, and where there are more names than memory for them a second time those shown.
fn count(sources: &[Source], asks: Asks<'_>, shown: usize) -> (Counted, Top) {
    let take_top = |mut counted: Counted| {
        let groups = std::mem::replace(&mut counted.groups, Groups::new());
        (counted, groups.into_top(shown))
    };
    let (counted, first) = take_top(reading::count(sources, asks, &Groups::new()));
    if first.is_complete {
        return (counted, first);
    }
    let groups = Groups::of(first.named.iter().map(|(name, _)| &**name));
    let (counted, second) = take_top(reading::count(sources, asks, &groups));
    let Top { others_names, others_messages_max, .. } = first;
    (counted, Top { others_names, others_messages_max, ..second })
}

impl Table {
    fn of(asks: Asks<'_>, counted: &Counted, top: Top, missing: Missing) -> Table {
        let transits = counted.transits.as_ref().zip(asks.sent_field);
        let transit = transits.map(|(transits, field)| Overall {
            field: field.to_owned(),
            all: transits.figures(),
            missing: missing.messages,
            damaged: counted.damaged,
        });
        let tenths = counted.times_ns.map(|(first, last)| (first / TENTH_NS, last / TENTH_NS + 1));
        let time = |tenth: u64| rfc3339(tenth * TENTH_NS);
        let seconds = tenths.map_or(0.0, |(first, end)| (end - first) as f64 / 10.0);
        let figures = |group: &Group| Figures::of(group, counted.messages, seconds);
        let others = (top.others.messages > 0).then(|| Others {
            groups: top.others_names,
            messages_max: top.others_messages_max,
            figures: figures(&top.others),
        });
        let row = |(name, group): &(Box<[u8]>, Group)| Row {
            name: readable(name),
            figures: figures(group),
        };
        Table {
            by: asks.by.name(),
            from: tenths.map(|(first, _)| time(first)),
            until: tenths.map(|(_, end)| time(end)),
            seconds,
            messages: counted.messages,
            recipients: counted.recipients,
            bytes: counted.bytes,
            groups: top.named.iter().map(row).collect(),
            others,
            missing,
            transit,
        }
    }
}

impl Figures {
    /// `messages`: all in the table, of which there is one at least, in so many seconds.
    fn of(group: &Group, messages: u64, seconds: f64) -> Figures {
        let counts = group.broken.as_deref().copied().unwrap_or_default();
        let broken = Deviation::ALL.into_iter().map(Deviation::name).zip(counts);
        Figures {
            deviations: broken.filter(|(_, messages)| *messages > 0).collect(),
            messages: group.messages,
            recipients: group.recipients,
            bytes: group.bytes,
            messages_per_s: group.messages as f64 / seconds,
            share: group.messages as f64 / messages as f64,
            transit: group.transits.as_ref().map(|transits| transits.figures()),
            transaction_us: group.times.as_deref().map(Percentiles::of).unwrap_or_default(),
        }
    }
}
