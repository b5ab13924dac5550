//! `sinkctl wait`: returns as soon as N messages match.
use std::time::{Duration, Instant};

use clap::Args;
use sinkd::index::{self, Goal, Waited, WatchedFolder};
use sinkd::log::MessageId;
use sinkd::log::reader::Folder;
use sinkd::machine::cores;
use sinkd::time::Clock;
use sinkd::wording::{counted, duration};

use crate::base::clock::SystemClock;
use crate::base::data::most_severe;
use crate::base::left_out::FolderOmissions;
use crate::base::outcome::{Finding, Out};
use crate::base::query_words::QueryWords;
use crate::base::row::{RowFormat, RowPer, RowPrinter};
use crate::base::span::TimeRange;
use crate::base::value::{count, time};
use crate::search::{parse, report_incomplete};

#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    pub query: QueryWords,
    /// Number of matching messages to wait for.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub count: u64,
    /// Maximum time to wait.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
    /// Count only messages that arrive after the command starts.
    #[arg(long)]
    pub new: bool,
    #[command(flatten)]
    pub during: TimeRange,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

pub fn run(mut folders: Vec<Folder>, wait: &Wait, out: &mut Out) -> anyhow::Result<Finding> {
    let started = Instant::now();
    let queries = parse(&folders, &wait.query.text())?;
    let spans = wait.during.spans_of(&folders)?;
    let goal =
        Goal { count: wait.count, is_new: wait.new, timeout: wait.timeout, threads: cores() };
    let mut pause = |time| SystemClock.pause(time);
    let watched = folders.iter_mut().zip(&queries).zip(spans.iter().copied());
    let mut watched: Vec<_> =
        watched.map(|((folder, query), span)| WatchedFolder { folder, query, span }).collect();
    let waited = index::wait(&mut watched, goal, &|| started.elapsed(), &mut pause)?;
    let Waited { matching, left_out } = waited;
    let searched = report_incomplete(&left_out);
    print(&folders, wait, &matching, out)?;
    let read = most_severe(folders.iter().map(|folder| {
        let omissions = FolderOmissions::default();
        // Without --new, the search has reported the faults of the folder.
        if wait.new { omissions.finish(folder) } else { omissions.finish_without_faults(folder) }
    }));
    let n = matching.len();
    if n as u64 == wait.count {
        return Ok(Finding::Done);
    }
    let end = if searched.and(read) == Finding::Done {
        ""
    } else {
        ", among those that could be searched"
    };
    let messages = counted(n as u64, "message", "messages");
    let timeout = match wait.timeout {
        Duration::ZERO => "0 s".into(),
        timeout => duration(timeout.as_secs_f64() * 1e6),
    };
    let wanted = wait.count;
    eprintln!("sinkctl: timed out after {timeout}: {messages} matched{end}, expected {wanted}");
    Ok(Finding::TimedOut)
}

/// Prints the matches. Damage does not change the exit code, which depends only on their number.
fn print(
    folders: &[Folder],
    wait: &Wait,
    matching: &[(usize, MessageId)],
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut unshown: Vec<_> = folders.iter().map(|_| FolderOmissions::default()).collect();
    let mut pruned = |id| eprintln!("sinkctl: {id} matched, but was pruned or removed since");
    let format = if wait.json { RowFormat::Json(RowPer::Message) } else { RowFormat::Line };
    let mut printer = RowPrinter::new(&format, out);
    printer.print_ids(folders, matching.iter().copied(), &mut unshown, &mut pruned)?;
    Ok(())
}
