//! `sinkctl search`: the messages that a query is true of, the newest first.
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use sinkd::index::query::Query;
use sinkd::index::{self, Hit, LeftOut, SearchOptions, Searching};
use sinkd::log::Runs;
use sinkd::log::reader::Folder;

use crate::base::data::{self, Merged, Order, name, worst};
use crate::base::left_out::{self, Answer, ask_all_again};
use crate::base::outcome::{Finding, Out};
use crate::base::print::counted;
use crate::base::progress::{Bar, Interruptible, watched};
use crate::base::query_words::QueryWords;
use crate::base::row::{Form, Rows, Source};
use crate::base::span::During;
use crate::base::value::count;

/// Shown to a person who says nothing else.
const LINES_MAX: u64 = 50;

#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    pub query: QueryWords,
    /// Maximum number of messages [default: 50 in a list, otherwise all].
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub during: During,
    /// Skip messages that are not indexed yet, and report their number.
    #[arg(long)]
    pub indexed_only: bool,
    /// Print only the number of matches.
    #[arg(long, group = "form")]
    pub count: bool,
    /// Print only message IDs, one per line.
    #[arg(long, group = "form")]
    pub ids: bool,
    /// Print one JSON object per line.
    #[arg(long, group = "form")]
    pub json: bool,
}

pub fn run(mut folders: Vec<Folder>, search: &Search, out: &mut Out) -> anyhow::Result<Finding> {
    let queries = parse(&folders, &search.query.text())?;
    let spans = search.during.spans_of(&folders)?;
    let limit = match search.limit {
        _ if search.count => Some(0),
        // One more than is shown: whether there is one.
        None if is_list(search) => Some(LINES_MAX + 1),
        limit => limit,
    };
    let stop = Searching::default().stop;
    let interruptible = Interruptible::new(&stop)?;
    let mut found = All::default();
    let mut damage: Vec<_> = folders.iter().map(|_| left_out::LeftOut::default()).collect();
    let asked = ask_all_again(&mut folders, |folders| {
        let wanted = |n: usize| SearchOptions {
            limit,
            span: spans[n],
            indexed_only: search.indexed_only,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
        };
        found = All::search(folders, &queries, wanted, &stop);
        found.cut(search);
        let is_printed_later = search.count || search.ids || found.hits.is_empty();
        let is_given = match is_printed_later {
            true => found.looked_at > 0,
            false => print_hits(folders, search, &found.hits, &mut damage, out)? > 0,
        };
        Ok(if is_given || found.left_out.stopped { Answer::Given } else { Answer::Empty })
    })?;
    drop(interruptible);
    print_short(&folders, search, &found, out)?;
    if found.is_cut {
        eprintln!(
            "sinkctl: only the newest {LINES_MAX} are listed; use --limit N to list more, or \
             --count to count them all"
        );
    }
    for (n, segments) in found.unusable.iter().enumerate() {
        say_unusable(name(&folders, n), segments);
    }
    let is_complete = say_left_out(&found.left_out);
    let damage = damage.into_iter().zip(&folders);
    let damage = damage.map(|(damage, folder)| damage.finish_without_faults(folder));
    let is_sound = worst(damage) == Finding::Holds;
    let holds = found.matches > 0 && is_complete && is_sound;
    Ok(asked.finding(if holds { Finding::Holds } else { Finding::DoesNotHold }))
}

/// Whether rows are printed for a person.
fn is_list(search: &Search) -> bool {
    !search.json && !search.ids && !search.count
}

/// What was found in all folders.
#[derive(Default)]
struct All {
    /// The newest first, with the number of their folder.
    hits: Vec<(usize, Hit)>,
    matches: u64,
    left_out: LeftOut,
    /// Unusable sidecars of each folder.
    unusable: Vec<Vec<u32>>,
    looked_at: u64,
    /// There are more than are shown by default.
    is_cut: bool,
}

impl All {
    fn search(
        folders: &[Folder],
        queries: &[Query],
        wanted: impl Fn(usize) -> SearchOptions,
        stop: &Arc<AtomicBool>,
    ) -> All {
        let (mut all, mut hits) = (All::default(), Vec::new());
        for (n, (folder, query)) in folders.iter().zip(queries).enumerate() {
            let progress = Searching { stop: stop.clone(), ..Searching::default() };
            let bar = Bar::new(folder.messages(), "messages");
            let wanted = wanted(n);
            let found = watched(
                || bar.at(progress.messages.load(Ordering::Relaxed)),
                || index::search(folder, query, wanted, &progress),
            );
            hits.push(found.hits.into_iter());
            all.matches += found.matches;
            all.left_out.add(found.left_out);
            all.unusable.push(found.unusable);
            all.looked_at += progress.messages.load(Ordering::Relaxed);
        }
        let time = |hit: &Hit| Some(hit.received_at_ns);
        all.hits = Merged::new(hits, Order::NewestFirst, time).collect();
        all
    }

    /// Each folder may have as many as are shown of all.
    fn cut(&mut self, search: &Search) {
        let shown = match search.limit {
            None if is_list(search) => LINES_MAX,
            limit => limit.unwrap_or(u64::MAX),
        };
        let shown = usize::try_from(shown).unwrap_or(usize::MAX);
        self.is_cut = search.limit.is_none() && self.hits.len() > shown;
        self.hits.truncate(shown);
    }
}

/// Ids, or the number of matches.
fn print_short(
    folders: &[Folder],
    search: &Search,
    found: &All,
    out: &mut Out,
) -> anyhow::Result<()> {
    if search.count {
        writeln!(out, "{}", found.matches)?;
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

/// Prints what was found, and returns how many could be. Those that were pruned since are left out.
fn print_hits(
    folders: &[Folder],
    search: &Search,
    hits: &[(usize, Hit)],
    damage: &mut [left_out::LeftOut],
    out: &mut Out,
) -> anyhow::Result<u64> {
    let (mut sources, mut rows) = (Vec::new(), Vec::new());
    for folder in folders {
        sources.push(Source::message(folder)?);
    }
    for (n, (source, damage)) in sources.iter_mut().zip(damage).enumerate() {
        let form = Form { json: search.json, folder: name(folders, n) };
        rows.push(Rows::new(&folders[n], source, form, damage)?);
    }
    let mut printed = 0;
    for (n, hit) in hits {
        printed += u64::from(rows[*n].print_id(hit.id, out)?);
    }
    Ok(printed)
}

/// The query as it is put to each folder: a run may be named in one of them alone.
///
/// Errors: the text is not a query; the error shows the place.
pub fn parse(folders: &[Folder], text: &str) -> anyhow::Result<Vec<Query>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = u64::try_from(now.as_nanos())?;
    let all = folders.iter().map(read_runs).collect::<Result<Vec<_>, _>>()?;
    if text.contains("run:") {
        for folder in folders {
            crate::base::data::say_damage(folder.path())?;
        }
    }
    (0..folders.len()).map(|n| query(text, now_ns, &data::runs(&all, n))).collect()
}

/// The same for one folder, where `10m` ago counts from `now_ns` (Unix ns).
pub fn parse_at(folder: &Folder, text: &str, now_ns: u64) -> anyhow::Result<Query> {
    query(text, now_ns, &read_runs(folder)?)
}

fn read_runs(folder: &Folder) -> anyhow::Result<Runs> {
    Runs::read(folder.path())
        .with_context(|| format!("{}: cannot read its runs", folder.path().display()))
}

fn query(text: &str, now_ns: u64, runs: &Runs) -> anyhow::Result<Query> {
    Query::parse(text, now_ns, runs)
        .map_err(|error| anyhow::anyhow!("{error}\n{}", error.pointed_out(text)))
}

/// The answer is whole, and came more slowly than it could.
fn say_unusable(folder: Option<String>, segments: &[u32]) {
    let Some(first) = segments.first() else { return };
    let folder = folder.map(|folder| format!("{folder}: ")).unwrap_or_default();
    let others = match segments.len() as u64 - 1 {
        0 => String::new(),
        n => format!(" and {}", counted(n, "other", "others")),
    };
    eprintln!(
        "sinkctl: {folder}the index of segment {first}{others} is damaged or has another version; \
         the mail itself was searched instead. To rebuild the index: sinkctl reindex"
    );
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
    left_out.is_nothing()
}
