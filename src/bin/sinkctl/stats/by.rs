//! `sinkctl stats --by`: who sent how much, by listener, client or recipient domain, from the log
//! itself. Workers record nothing for it.
use std::ops::Range;
use std::path::PathBuf;

use crate::base::left_out::report_left_out;
use crate::base::left_out::{Asked, NoAnswer, TRIES_MAX};
use crate::base::outcome::{Finding, Out};
use crate::base::span::During;
use crate::base::span::seconds;

mod groups;
mod missing;
mod print;
mod reading;
mod table;

use super::options::{By, Stats};
use super::transit::Overall;
use groups::{Groups, Top};
use missing::Missing;
use reading::{Asks, Counted, Source};
pub use table::{Figures, Table};

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
        let damaged = crate::base::print::counted(found.damaged, "message is", "messages are");
        eprintln!("sinkctl: {damaged} damaged and not in the table (see sinkctl verify)");
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
