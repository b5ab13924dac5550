//! Selects the messages of a replay.
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::Context;
use sinkd::analysis::rows::parse_query;
use sinkd::index::{self, SearchOptions, SearchProgress};
use sinkd::log::reader::Folder;
use sinkd::log::{MessageId, Moment, NotAnId};
use sinkd::machine::{cores, read_at_most, read_at_most_from};
use sinkd::sender::replay::{Selection, in_order};
use sinkd::sender::{BadRows, RowRemedy};
use sinkd::time::{Span, UnixNs};

use super::options::Replay;
use crate::base::list_error::list_error;
use crate::base::outcome::Finding;
use crate::base::progress::{Interruptible, TerminalBar, watched};
use crate::base::span::TimeRange;
use crate::search::report_incomplete;

/// Maximum size of a list of IDs, in bytes: a hundred million IDs.
const LIST_BYTES_MAX: u64 = 1 << 30;

/// A row that is not an ID.
#[derive(Debug, thiserror::Error)]
#[error("'{row}': {why}")]
struct BadIdRow {
    row: String,
    why: NotAnId,
}

/// Returns what to send. `started_ns` is when the replay first began: ages count from there, and
/// messages received later are left out, so a resumed replay sends what the original one would have
/// sent.
pub fn selection(
    folder: &Folder,
    replay: &Replay,
    ids: Option<Vec<MessageId>>,
    started_ns: UnixNs,
) -> anyhow::Result<(Selection, Finding)> {
    if let Some(ids) = ids {
        return Ok((Selection::Ids(in_order(folder, ids)), Finding::Done));
    }
    let moment = |text: &Option<String>| {
        text.as_ref().map(|text| Moment::parse(text, started_ns)).transpose()
    };
    let (since, until) = (moment(&replay.since)?, moment(&replay.until)?);
    let during = TimeRange { since, until, run: replay.run.clone() };
    let spans = during.spans(&[folder.path().to_owned()])?;
    let mut span = spans[0];
    span.until_ns = Some(span.until_ns.map_or(started_ns, |until_ns| until_ns.min(started_ns)));
    let text = replay.query.text();
    if text.trim().is_empty() {
        return Ok((Selection::Span(span), spans.finding));
    }
    let (selection, finding) = search(folder, &text, span, started_ns)?;
    Ok((selection, finding.and(spans.finding)))
}

/// Errors: the query can't be parsed, or the search was interrupted.
fn search(
    folder: &Folder,
    text: &str,
    span: Span,
    now_ns: UnixNs,
) -> anyhow::Result<(Selection, Finding)> {
    let query = parse_query(folder, text, now_ns)?;
    let options = SearchOptions { limit: None, span, indexed_only: false, threads: cores() };
    let progress = SearchProgress::default();
    let _interruptible = Interruptible::new(&progress.stop)?;
    let bar = TerminalBar::new(folder.messages(), "messages searched");
    let found = watched(
        || bar.at(progress.messages.load(Ordering::Relaxed)),
        || index::search(folder, &query, options, &progress),
    );
    drop(bar);
    anyhow::ensure!(!found.left_out.stopped, "interrupted: nothing was sent");
    let finding = report_incomplete(&found.left_out);
    let ids = found.hits.iter().rev().map(|hit| hit.id).collect();
    Ok((Selection::Ids(ids), finding))
}

/// Parses ids separated by commas, or reads them from the named file (`-`: standard input).
///
/// Errors: the file can't be read, or has bad rows, which the error names.
pub fn ids(text: &str) -> anyhow::Result<Vec<MessageId>> {
    let listed: Result<Vec<MessageId>, _> = text.split(',').map(str::parse).collect();
    if let Ok(ids) = listed {
        return Ok(ids);
    }
    let content = match text {
        "-" => read_at_most_from(std::io::stdin(), LIST_BYTES_MAX),
        file => read_at_most(Path::new(file), LIST_BYTES_MAX),
    }
    .with_context(|| {
        format!("--ids: expected IDs such as 17:3,17:4, or a readable file of IDs, found '{text}'")
    })?;
    rows(text, &String::from_utf8_lossy(&content))
}

fn rows(file: &str, content: &str) -> anyhow::Result<Vec<MessageId>> {
    let mut ids = Vec::new();
    let mut bad = BadRows::new(file, RowRemedy::Comment);
    // Some editors write a byte order mark before UTF-8.
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    for (number, row) in (1..).zip(content.lines()) {
        let row = row.split('#').next().unwrap_or_default().trim();
        if row.is_empty() {
            continue;
        }
        match row.parse() {
            Ok(id) => ids.push(id),
            Err(why) => bad.add(number, BadIdRow { row: row.to_owned(), why }),
        }
    }
    bad.none_or(ids).map_err(list_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ids() {
        let ids = |text: &str| rows("list", text).map_err(|e| e.to_string());
        let id = |segment, slot| MessageId { segment, slot };
        assert_eq!(ids("1:2\n# x\n\n 3:4 # y\r\n"), Ok(vec![id(1, 2), id(3, 4)]));
        assert_eq!(ids("\u{feff}1:2\n"), Ok(vec![id(1, 2)]));
        let error = ids("1:2\nx\n3\n").unwrap_err();
        assert!(error.starts_with("list: 2 bad rows"), "{error}");
        assert!(error.contains("\nlist:2: 'x': expected a message ID"), "{error}");
        assert!(error.contains("\nlist:3: '3': "), "{error}");
        let error = ids(&"x\n".repeat(12)).unwrap_err();
        assert!(error.contains("list:10:") && error.ends_with("and 2 more"), "{error}");
    }
}
