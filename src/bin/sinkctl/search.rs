//! `sinkctl search`: the messages that a query is true of, the newest first.
use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Serialize;
use sinkd::index::query::Query;
use sinkd::index::reading::Reading;
use sinkd::index::{self, Found, LeftOut, Searching, Wanted};
use sinkd::log::reader::{Folder, ReadError};
use sinkd::log::{MessageId, Runs, Slot};

use crate::args::Search;
use crate::left_out::{self, Answer, ask_again};
use crate::print::{self, counted, harmless};
use crate::progress::{Bar, Interruptible, watched};
use crate::{Finding, Out};

/// Shown to a person who says nothing else.
const LINES_MAX: u64 = 50;

/// A message in `--json`. Keys keep their meaning.
#[derive(Serialize)]
struct Object {
    #[serde(flatten)]
    entry: print::Entry,
    /// The first Subject field, decoded.
    subject: String,
    message_id: String,
    /// Names of attached files.
    file_names: Vec<String>,
    /// Equal for copies of the same content: 32 hexadecimal digits.
    content_hash: String,
    /// The number in the header field that the index knows of.
    sequence: Option<u64>,
}

pub fn run(mut folder: Folder, search: &Search, out: &mut Out) -> anyhow::Result<Finding> {
    let query = parse(&folder, &search.query.text())?;
    let is_list = !search.json && !search.ids;
    let limit = match search.limit {
        _ if search.count => Some(0),
        None if is_list => Some(LINES_MAX),
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
    let asked = ask_again(&mut folder, |folder| {
        let progress = Searching { stop: stop.clone(), ..Searching::default() };
        let bar = Bar::new(folder.messages(), "messages");
        found = watched(
            || bar.at(progress.messages.load(Ordering::Relaxed)),
            || index::search(folder, &query, wanted, &progress),
        );
        drop(bar);
        let is_any_read = progress.messages.load(Ordering::Relaxed) > 0;
        let is_shown = search.count || search.ids || found.hits.is_empty();
        let is_given = match is_shown {
            true => is_any_read,
            false => print_hits(folder, search.json, &found, &mut damage, out)? > 0,
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
    } else {
        let is_cut = search.limit.is_none() && limit == Some(found.hits.len() as u64);
        if is_cut && std::io::stdout().is_terminal() {
            writeln!(
                out,
                "the newest {LINES_MAX}; more with --limit N, their number with --count"
            )?;
        }
    }
    say_unusable(&found.unusable);
    let is_complete = say_left_out(&found.left_out);
    let is_sound = damage.finish_without_faults(&folder) == Finding::Holds;
    let holds = found.matches > 0 && is_complete && is_sound;
    Ok(asked.finding(if holds { Finding::Holds } else { Finding::DoesNotHold }))
}

/// Prints what was found; gives how many could be. Those that were pruned since are left out.
fn print_hits(
    folder: &Folder,
    json: bool,
    found: &Found,
    damage: &mut left_out::LeftOut,
    out: &mut Out,
) -> anyhow::Result<u64> {
    let mut printer = Printer::new(folder, json)?;
    let mut printed = 0;
    for hit in &found.hits {
        match printer.print(hit.id, out)? {
            Ok(()) => printed += 1,
            // It was there a moment ago: the folder has counted its segment.
            Err(ReadError::NoSuchMessage { .. }) => {}
            Err(error) => {
                damage.tell_error(&error);
                printed += 1;
            }
        }
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

/// Prints messages with what was written in them.
pub struct Printer<'a> {
    folder: &'a Folder,
    noted: std::collections::HashSet<MessageId>,
    json: bool,
    reading: Reading,
    envelope: Vec<u8>,
}

impl<'a> Printer<'a> {
    pub fn new(folder: &'a Folder, json: bool) -> anyhow::Result<Printer<'a>> {
        let reading = Reading::new(&index::sequence_field(folder.path())?);
        Ok(Printer { folder, noted: folder.notes()?.of, json, reading, envelope: Vec::new() })
    }

    /// The inner error: this message can't be read any more; others can.
    pub fn print(&mut self, id: MessageId, out: &mut Out) -> anyhow::Result<Result<(), ReadError>> {
        let object = match self.object(id) {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&object)?)?;
        } else {
            let subject = harmless(&object.subject).replace(['\n', '\t'], " ");
            writeln!(out, "{}  {subject}", object.entry.to_line())?;
        }
        Ok(Ok(()))
    }

    fn object(&mut self, id: MessageId) -> Result<Object, ReadError> {
        let (segment, slot): (_, Slot) = self.folder.find(id)?;
        let envelope = segment.envelope(&slot, &mut self.envelope)?;
        let entry = print::Entry::new(&slot, envelope, self.noted.contains(&id));
        let read = self.reading.read(&segment, &slot)?.entry;
        Ok(Object {
            entry,
            subject: read.columns.subject.to_owned(),
            message_id: read.columns.message_id.to_owned(),
            file_names: read.columns.file_names.iter().map(str::to_owned).collect(),
            content_hash: format!("{:032x}", read.content_hash),
            sequence: read.sequence,
        })
    }
}
