//! `sinkctl search`: the messages that a query is true of, the newest first.
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use sinkd::index::query::Query;
use sinkd::index::{self, Found, Hit, LeftOut, Searching, Wanted};
use sinkd::log::Runs;
use sinkd::log::reader::Folder;

use crate::args::Search;
use crate::left_out::{self, Answer, ask_again};
use crate::print::counted;
use crate::progress::{Bar, Interruptible, watched};
use crate::row::{Rows, Source};
use crate::{Finding, Out};

/// Shown to a person who says nothing else.
const LINES_MAX: u64 = 50;

pub fn run(mut folder: Folder, search: &Search, out: &mut Out) -> anyhow::Result<Finding> {
    let query = parse(&folder, &search.query.text())?;
    let is_list = !search.json && !search.ids;
    let limit = match search.limit {
        _ if search.count => Some(0),
        // One more than is shown: whether there is one.
        None if is_list => Some(LINES_MAX + 1),
        limit => limit,
    };
    let wanted = Wanted {
        limit,
        span: search.during.span(folder.path())?,
        indexed_only: search.indexed_only,
        threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
    };
    let stop = Searching::default().stop;
    let interruptible = Interruptible::new(&stop)?;
    let (mut found, mut damage) = (Found::default(), left_out::LeftOut::default());
    let mut is_cut = false;
    let asked = ask_again(&mut folder, |folder| {
        let progress = Searching { stop: stop.clone(), ..Searching::default() };
        let bar = Bar::new(folder.messages(), "messages");
        found = watched(
            || bar.at(progress.messages.load(Ordering::Relaxed)),
            || index::search(folder, &query, wanted, &progress),
        );
        drop(bar);
        is_cut = search.limit.is_none() && is_list && found.hits.len() as u64 > LINES_MAX;
        if is_cut {
            found.hits.truncate(LINES_MAX as usize);
        }
        let is_any_read = progress.messages.load(Ordering::Relaxed) > 0;
        let is_shown = search.count || search.ids || found.hits.is_empty();
        let is_given = match is_shown {
            true => is_any_read,
            false => print_hits(folder, search.json, &found.hits, &mut damage, out)? > 0,
        };
        Ok(if is_given || found.left_out.stopped { Answer::Given } else { Answer::Empty })
    })?;
    drop(interruptible);
    if search.count {
        writeln!(out, "{}", found.matches)?;
    } else if search.ids {
        for hit in &found.hits {
            writeln!(out, "{}", hit.id)?;
        }
    }
    if is_cut {
        eprintln!(
            "sinkctl: the newest {LINES_MAX} are listed; more with --limit N, their number with \
             --count"
        );
    }
    say_unusable(&found.unusable);
    let is_complete = say_left_out(&found.left_out);
    let is_sound = damage.finish_without_faults(&folder) == Finding::Holds;
    let holds = found.matches > 0 && is_complete && is_sound;
    Ok(asked.finding(if holds { Finding::Holds } else { Finding::DoesNotHold }))
}

/// Prints what was found, and returns how many could be. Those that were pruned since are left out.
fn print_hits(
    folder: &Folder,
    json: bool,
    hits: &[Hit],
    damage: &mut left_out::LeftOut,
    out: &mut Out,
) -> anyhow::Result<u64> {
    let mut source = Source::message(folder)?;
    let mut rows = Rows::new(folder, &mut source, json, damage)?;
    let mut printed = 0;
    for hit in hits {
        printed += u64::from(rows.print_id(hit.id, out)?);
    }
    Ok(printed)
}

/// Errors: it is no query; the place is shown.
pub fn parse(folder: &Folder, text: &str) -> anyhow::Result<Query> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    parse_at(folder, text, u64::try_from(now.as_nanos())?)
}

/// The same, where `10m` ago counts from another moment than now, Unix ns.
pub fn parse_at(folder: &Folder, text: &str, now_ns: u64) -> anyhow::Result<Query> {
    let runs = Runs::read(folder.path())
        .with_context(|| format!("{}: its runs can't be read", folder.path().display()))?;
    Query::parse(text, now_ns, &runs)
        .map_err(|error| anyhow::anyhow!("{error}\n{}", error.pointed_out(text)))
}

/// The answer is whole, and came more slowly than it could.
fn say_unusable(segments: &[u32]) {
    if let (Some(first), n) = (segments.first(), segments.len()) {
        let others = if n > 1 { format!(" and {} others", n - 1) } else { String::new() };
        eprintln!(
            "sinkctl: the index of segment {first}{others} is damaged, or of another version; mail \
             was read instead. To make it new: sinkctl reindex"
        );
    }
}

/// Is the answer complete? If not, says why.
pub fn say_left_out(left_out: &LeftOut) -> bool {
    let LeftOut { not_indexed, partial, unreadable, not_in_time, damage, stopped } = left_out;
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
        "message is not indexed, and was left out",
        "messages are not indexed, and were left out",
    );
    say(
        *partial,
        "message is not stored in full; the query asks about what is missing",
        "messages are not stored in full; the query asks about what is missing",
    );
    say(
        *unreadable,
        "message is damaged, and was not searched",
        "messages are damaged, and were not searched",
    );
    say(
        *not_in_time,
        "message, the oldest, was not looked at in time",
        "messages, the oldest ones, were not looked at in time",
    );
    if *stopped {
        eprintln!("sinkctl: interrupted: this is what was found until then");
    }
    left_out.is_nothing()
}
