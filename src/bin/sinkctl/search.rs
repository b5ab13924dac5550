//! `sinkctl search`: lists the messages that match a query, newest first.
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use sinkd::analysis::rows::{MatchQuery, Matches, QuestionError, parse_queries};
use sinkd::analysis::{Attempt, retry_while_pruned};
use sinkd::index;
use sinkd::index::query::Query;
use sinkd::log::reader::Folder;
use sinkd::time::Clock;
use sinkd::wording::counted;

use crate::base::clock::SystemClock;
use crate::base::data::{most_severe, name, report_run_damage};
use crate::base::left_out::{FolderOmissions, WithoutIndex, finding_of, report_unusable};
use crate::base::outcome::{Finding, Out};
use crate::base::progress::{Interruptible, bar};
use crate::base::query_words::QueryWords;
use crate::base::row::{RowOptions, RowPrinter};
use crate::base::span::TimeRange;
use crate::base::value::count;

/// Maximum number of lines of text without --limit.
const LINES_MAX: u64 = 50;

#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    pub query: QueryWords,
    /// Maximum number of messages [default: 50 in text output, otherwise all].
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub during: TimeRange,
    /// Skip messages that are not indexed yet, and report their number.
    #[arg(long)]
    pub indexed_only: bool,
    /// Print only the number of matches.
    #[arg(long, group = "form")]
    pub count: bool,
    /// Print only message IDs, one per line.
    #[arg(long, group = "form")]
    pub ids: bool,
    #[command(flatten)]
    pub rows: RowOptions,
}

pub fn run(mut folders: Vec<Folder>, search: &Search, out: &mut Out) -> anyhow::Result<Finding> {
    let queries = parse(&folders, &search.query.text())?;
    let spans = search.during.spans_of(&folders)?;
    let stop = Arc::new(AtomicBool::new(false));
    let query = MatchQuery {
        queries: &queries,
        spans: &spans,
        limit: limit(search),
        indexed_only: search.indexed_only,
        stop: &stop,
    };
    let format = search.rows.format(folders.len());
    RowPrinter::new(&format, out).print_header()?;
    let interruptible = Interruptible::new(&stop)?;
    let (mut found, mut is_cut) = (Matches::default(), false);
    let mut damage: Vec<_> = folders.iter().map(|_| FolderOmissions::default()).collect();
    let attempts = retry_while_pruned(&mut folders, |folders| {
        found = Matches::find(folders, query, &mut bar("messages"));
        is_cut = cut(&mut found, search);
        let is_printed_later = search.count || search.ids || found.hits.is_empty();
        let is_given = if is_printed_later {
            found.searched > 0
        } else {
            let ids = found.hits.iter().map(|(n, hit)| (*n, hit.id));
            let mut printer = RowPrinter::new(&format, out);
            printer.print_ids(folders, ids, &mut damage, &mut |_| {})? > 0
        };
        let is_answer = is_given || found.left_out.stopped;
        Ok::<_, anyhow::Error>(if is_answer { Attempt::Answered } else { Attempt::Empty })
    })?;
    drop(interruptible);
    print_short(&folders, search, &found, out)?;
    if is_cut {
        eprintln!(
            "sinkctl: only the newest {LINES_MAX} are listed; use --limit N to list more, or \
             --count to count them all"
        );
    }
    for (n, indexes) in found.unusable.iter().enumerate() {
        report_unusable(name(&folders, n), indexes, WithoutIndex::MailWasSearched);
    }
    let searched = report_incomplete(&found.left_out);
    let damage = damage.into_iter().zip(&folders);
    let damage = damage.map(|(damage, folder)| damage.finish_without_faults(folder));
    let is_match = if found.count > 0 { Finding::Done } else { Finding::NothingFound };
    Ok(finding_of(attempts, searched.and(most_severe(damage)).and(spans.finding).and(is_match)))
}

fn limit(search: &Search) -> Option<u64> {
    match search.limit {
        _ if search.count => Some(0),
        // One more than is shown, to find out whether there are more.
        None if is_list(search) => Some(LINES_MAX + 1),
        limit => limit,
    }
}

/// Removes the matches beyond the limit. Returns whether there were any.
fn cut(found: &mut Matches, search: &Search) -> bool {
    let is_cut = search.limit.is_none() && is_list(search) && found.hits.len() as u64 > LINES_MAX;
    if is_cut {
        found.hits.truncate(LINES_MAX as usize);
    }
    is_cut
}

/// Returns whether rows are printed as text.
fn is_list(search: &Search) -> bool {
    !search.rows.is_for_program() && !search.ids && !search.count
}

/// Prints ids, or the number of matches.
fn print_short(
    folders: &[Folder],
    search: &Search,
    found: &Matches,
    out: &mut Out,
) -> anyhow::Result<()> {
    if search.count {
        writeln!(out, "{}", found.count)?;
    } else if search.ids {
        for (n, hit) in &found.hits {
            match name(folders, *n) {
                Some(folder) => writeln!(out, "{folder}\t{}", hit.id)?,
                None => writeln!(out, "{}", hit.id)?,
            }
        }
    }
    Ok(())
}

/// Parses the query for each folder, because a run may exist in only one of them.
///
/// Errors: the text is not a query; the error shows the position.
pub fn parse(folders: &[Folder], text: &str) -> anyhow::Result<Vec<Query>> {
    let now_ns = SystemClock.now();
    let queries = parse_queries(folders, text, now_ns);
    if text.contains("run:") && !matches!(queries, Err(QuestionError::Runs { .. })) {
        for folder in folders {
            report_run_damage(folder.path())?;
        }
    }
    Ok(queries?)
}

/// Reports on stderr what the answer of a search lacks.
pub fn report_incomplete(left_out: &index::Omissions) -> Finding {
    let index::Omissions { not_indexed, partial, unreadable, not_in_time, damage, stopped } =
        left_out;
    for damage in damage {
        eprintln!("sinkctl: {damage}");
    }
    let say = |n: u64, one: &str, many: &str| {
        if n > 0 {
            eprintln!("sinkctl: {}", counted(n, one, many));
        }
    };
    say(
        *not_indexed,
        "message is not indexed and was skipped",
        "messages are not indexed and were skipped",
    );
    say(
        *partial,
        "message is not stored in full and lacks what the query asks for",
        "messages are not stored in full and lack what the query asks for",
    );
    say(
        *unreadable,
        "message is damaged and was not searched",
        "messages are damaged and were not searched",
    );
    say(
        *not_in_time,
        "message, the oldest one, was not searched in time",
        "messages, the oldest ones, were not searched in time",
    );
    if *stopped {
        eprintln!("sinkctl: interrupted: these are the results so far");
    }
    if left_out.is_nothing() { Finding::Done } else { Finding::Incomplete }
}
