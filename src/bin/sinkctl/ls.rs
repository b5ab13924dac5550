//! `sinkctl ls`: lists messages in order of arrival, from one or more folders.
use std::io::Write;

use clap::Args;
use sinkd::analysis::rows::{ContentSource, ListQuery, RowList, TimeOrder};
use sinkd::analysis::{Attempt, retry_while_pruned};
use sinkd::index::UnusableIndex;
use sinkd::log::reader::Folder;
use sinkd::time::Span;
use sinkd::wording::counted;

use crate::base::data::{most_severe, name, names};
use crate::base::left_out::{FolderOmissions, WithoutIndex, finding_of, report_unusable};
use crate::base::outcome::{Finding, Out};
use crate::base::row::{RowOptions, RowPrinter};
use crate::base::span::TimeRange;
use crate::base::value::count;

/// The extent of a printed listing.
#[derive(Default)]
struct Listed {
    shown: u64,
    /// The number of messages in the span, including those skipped by `--offset`; `None` if
    /// `--limit` did not shorten the listing.
    cut_of: Option<u64>,
    /// For each folder, the segments whose index can't be used.
    unusable: Vec<Vec<UnusableIndex>>,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// Maximum number of messages [default: all].
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<u64>,
    /// Number of messages to skip first.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count)]
    pub offset: u64,
    /// List the newest messages first; --offset then skips the newest.
    #[arg(long)]
    pub reverse: bool,
    #[command(flatten)]
    pub during: TimeRange,
    #[command(flatten)]
    pub rows: RowOptions,
}

pub fn run(mut folders: Vec<Folder>, ls: &Ls, out: &mut Out) -> anyhow::Result<Finding> {
    let mut left_out: Vec<FolderOmissions> =
        folders.iter().map(|_| FolderOmissions::default()).collect();
    let mut listed = Listed::default();
    let spans = ls.during.spans_of(&folders)?;
    let format = ls.rows.format(folders.len());
    RowPrinter::new(&format, out).print_header()?;
    let attempts = retry_while_pruned(&mut folders, |folders| {
        let attempt;
        let mut printer = RowPrinter::new(&format, out);
        (attempt, listed) = list((folders, &spans), ls, &mut left_out, &mut printer)?;
        Ok::<_, anyhow::Error>(attempt)
    })?;
    match folders.iter().map(Folder::only_counted).sum() {
        0 => {}
        n => {
            let messages = counted(n, "message that was", "messages that were");
            if ls.rows.is_for_program() {
                // Reported separately, because every row is a message.
                eprintln!("sinkctl: and {messages} only counted");
            } else {
                writeln!(out, "and {messages} only counted")?;
            }
        }
    }
    if let Some(all) = listed.cut_of {
        let all = counted(all, "message is", "messages are");
        let shown = listed.shown;
        eprintln!("sinkctl: {shown} of {all} listed; use a larger --limit or --offset to see more");
    }
    for (n, indexes) in listed.unusable.iter().enumerate() {
        report_unusable(name(&folders, n), indexes, WithoutIndex::ContentIsMissing);
    }
    let findings = left_out.into_iter().zip(&folders);
    let finding = most_severe(findings.map(|(left_out, folder)| left_out.finish(folder)));
    Ok(finding_of(attempts, finding.and(spans.finding)))
}

fn list(
    (folders, spans): (&[Folder], &[Span]),
    ls: &Ls,
    left_out: &mut [FolderOmissions],
    printer: &mut RowPrinter<'_>,
) -> anyhow::Result<(Attempt, Listed)> {
    let query = ListQuery {
        spans,
        order: if ls.reverse { TimeOrder::NewestFirst } else { TimeOrder::OldestFirst },
        offset: ls.offset,
        limit: ls.limit,
    };
    let mut sources: Vec<_> = folders.iter().map(ContentSource::index).collect();
    let mut rows = RowList::open(folders, &mut sources, &names(folders), query)?;
    for (n, damage) in rows.take_damage() {
        left_out[n].report_error(&damage);
    }
    for (n, row) in rows.by_ref() {
        printer.print(row.map(Some), &mut left_out[n])?;
    }
    let attempt = if rows.returned() > 0 { Attempt::Answered } else { Attempt::Empty };
    let (shown, cut_of) = (rows.returned(), rows.cut_of());
    drop(rows);
    let unusable = sources.into_iter().map(ContentSource::into_unusable).collect();
    Ok((attempt, Listed { shown, cut_of, unusable }))
}
