//! The lines of `events.jsonl`: what they say, which of them are damaged, and a shorter text that
//! says the same. Reads and writes no file.
use std::io;

use serde::{Deserialize, Serialize};

use super::dropped::{Dropped, DroppedBy};
use super::pruned_sums::PrunedSums;
use crate::time::UnixNs;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    Pruned {
        at_ns: UnixNs,
        by: DroppedBy,
        #[serde(flatten)]
        dropped: Dropped,
    },
    /// A run begins; the current one ends.
    #[serde(rename = "run-started")]
    RunStarted { at_ns: UnixNs, name: String },
    #[serde(rename = "run-stopped")]
    RunStopped { at_ns: UnixNs },
    Mark {
        at_ns: UnixNs,
        text: String,
        /// Set by sinkd itself, because the system clock has moved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock: Option<Moved>,
    },
}

/// The difference between the system clock and the clock of a running sinkd, after the system clock
/// moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// The number of this start of sinkd, counting how often the folder was opened.
    pub start: u32,
    /// System clock minus sinkd's clock, ns.
    pub ahead_ns: i64,
}

/// Returns every event that this version knows, in order.
pub(crate) fn known(text: &[u8]) -> Vec<Event> {
    split(text).filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Returns the pruned segments that lines name, in order.
pub(crate) fn pruned(text: &[u8]) -> Vec<Dropped> {
    split(text).filter_map(pruned_of).collect()
}

/// Parses a line about pruning. Returns `None` if it is incomplete, or about something else.
pub(crate) fn pruned_of(line: &[u8]) -> Option<Dropped> {
    match serde_json::from_slice(line) {
        Ok(Event::Pruned { dropped, .. }) => Some(dropped),
        _ => None,
    }
}

/// Returns whether a line of `noted` names exactly this segment, or a range without gaps that
/// contains it.
pub(crate) fn is_among(noted: &[Dropped], number: u32) -> bool {
    let is_dense = |d: &Dropped| d.segments == u64::from(d.last.saturating_sub(d.first)) + 1;
    noted.iter().any(|d| is_dense(d) && (d.first..=d.last).contains(&number))
}

/// Returns the numbers (from 1) of damaged lines, which no version writes. A last line without a
/// line feed does not count as damaged: another process may still be writing it.
pub(crate) fn damaged(text: &[u8]) -> Vec<usize> {
    let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    // A line of a newer version is a JSON object, too.
    let is_damaged =
        |line: &[u8]| !line.is_empty() && serde_json::from_slice::<AnyEvent>(line).is_err();
    let lines = split(&text[..whole]).enumerate();
    lines.filter(|(_, line)| is_damaged(line)).map(|(number, _)| number + 1).collect()
}

pub(super) fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| *octet == b'\n')
}

/// A line of any version. One of a known kind must be valid.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyEvent {
    #[allow(dead_code, reason = "only used to check that the line is valid")]
    Known(Event),
    #[allow(dead_code, reason = "only used to check that the line is valid")]
    Newer(Newer),
}

/// A kind that this version does not know.
struct Newer;

impl<'de> Deserialize<'de> for Newer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Newer, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            event: String,
        }
        let Named { event } = Named::deserialize(deserializer)?;
        match event.as_str() {
            "pruned" | "run-started" | "run-stopped" | "mark" => {
                Err(serde::de::Error::custom("a known event with something wrong in it"))
            }
            _ => Ok(Newer),
        }
    }
}

/// Returns the text with all entries about pruning by sinkd merged into one line, whose time is
/// `at_ns`, and `newest` after it; other lines are unchanged.
///
/// Errors: none in practice; events are always valid JSON.
pub(crate) fn folded(text: &[u8], newest: &[Dropped], at_ns: UnixNs) -> io::Result<Vec<u8>> {
    let (mut all, mut rest) = (PrunedSums::default(), Vec::new());
    let is_newest = |entry: &Dropped| {
        newest.iter().any(|one| (one.first, one.last) == (entry.first, entry.last))
    };
    for one in split(text).filter(|line| !line.is_empty()) {
        match serde_json::from_slice(one) {
            // Written before a kill; the lines for `newest` repeat it.
            Ok(Event::Pruned { by: DroppedBy::Sinkd, dropped, .. }) if is_newest(&dropped) => {}
            Ok(Event::Pruned { by: DroppedBy::Sinkd, dropped, .. }) => all.add(&dropped),
            _ => rest.extend_from_slice(&[one, b"\n"].concat()),
        }
    }
    let by_sinkd = |dropped| line(&Event::Pruned { at_ns, by: DroppedBy::Sinkd, dropped });
    let mut folded = [by_sinkd(all.total())?, rest].concat();
    // The newest entries keep lines of their own: their files may still exist, and
    // `LockedEvents::has_pruned` checks for each.
    for dropped in newest {
        folded.extend(by_sinkd(*dropped)?);
    }
    Ok(folded)
}

/// Returns an event as a line, with its line feed.
pub(crate) fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}
