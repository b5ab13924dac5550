//! Groups the messages of a log by listener, client, user or recipient domain. Reads the log, so
//! workers record nothing for it.
mod by;
mod names;
mod reading;
mod table;

pub use by::GroupBy;
pub use table::{GroupFigures, GroupRow, GroupTable, OtherGroups};

use super::counting::MissingMessages;
use super::error::AnalysisError;
use super::folder::FolderSpans;
use super::folder::{LogSource, UnreadMessages};
use crate::log::reader::{Folder, ReadError};
use crate::time::Span;
use names::{Groups, TopGroups};
use reading::{GroupCounts, GroupCriteria};

/// Maximum number of attempts to read a log; an attempt fails if pruning removes all of the log
/// meanwhile.
const TRIES_MAX: u32 = 10;

/// How messages are grouped, and what the table shows.
#[derive(Debug, Clone, Copy)]
pub struct GroupQuestion<'a> {
    /// The property by which messages are grouped.
    pub by: GroupBy,
    /// Maximum number of groups that the table names.
    pub shown: usize,
    /// The header field with the sending time; `None`: no transit times.
    pub sent_field: Option<&'a str>,
}

/// A table of groups, and how complete it is.
pub struct GroupAnswer {
    /// The table, with the groups that have the most messages.
    pub table: GroupTable,
    /// Messages that are not in the table because they can't be read.
    pub damaged: u64,
    /// Why they can't be read; the first reasons only.
    pub damage: Vec<ReadError>,
    /// True if in every attempt everything was pruned before it could be read.
    pub is_outpaced: bool,
    sources: Vec<LogSource>,
}

impl GroupAnswer {
    /// Returns the folders that were read, as they were when opened.
    pub fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.sources.iter().map(|source| &source.folder)
    }
}

/// Groups the messages of a span. `watch` gets the number of messages done and in total, ten times
/// a second.
///
/// Takes about 1 µs of a core for each message. Errors: a folder has no log, or can't be read.
pub fn find(
    selection: FolderSpans<'_>,
    question: GroupQuestion<'_>,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<GroupAnswer, AnalysisError> {
    let GroupQuestion { by, shown, sent_field } = question;
    let criteria = GroupCriteria { by, sent_field };
    // The bounds of the spans are rounded up to whole seconds, as in all statistics, so that log
    // and statistics cover the same messages.
    let spans: Vec<Span> = selection.spans.iter().map(|span| span.in_whole_seconds()).collect();
    let in_seconds = FolderSpans { spans: &spans, ..selection };
    let mut sources = LogSource::open_all(in_seconds)?;
    let (mut counted, mut top) = count(&sources, criteria, shown, watch);
    let is_outpaced = |counted: &GroupCounts| counted.messages == 0 && counted.unread.pruned > 0;
    for _ in 1..TRIES_MAX {
        if !is_outpaced(&counted) {
            break;
        }
        sources = LogSource::open_all(in_seconds)?;
        (counted, top) = count(&sources, criteria, shown, watch);
    }
    let is_outpaced = is_outpaced(&counted);
    let missing = MissingMessages::count(&sources, &spans, &counted.unread, selection.clock)?;
    let log_faults = sources.iter().map(|source| source.folder.faults().count() as u64).sum();
    let table = GroupTable::new(criteria, &counted, top, missing, log_faults);
    let UnreadMessages { damaged, damage, .. } = counted.unread;
    Ok(GroupAnswer { table, damaged, damage, is_outpaced, sources })
}

/// Counts once. If there are too many names to keep the times of all, counts the shown names again.
fn count(
    sources: &[LogSource],
    criteria: GroupCriteria<'_>,
    shown: usize,
    watch: &mut dyn FnMut(u64, u64),
) -> (GroupCounts, TopGroups) {
    let take_top = |mut counted: GroupCounts| {
        let groups = std::mem::replace(&mut counted.groups, Groups::new());
        (counted, groups.into_top(shown))
    };
    let (counted, first) = take_top(reading::count(sources, criteria, &Groups::new(), watch));
    if first.is_complete {
        return (counted, first);
    }
    let groups = Groups::for_names(first.named.iter().map(|(name, _)| &**name));
    let (counted, second) = take_top(reading::count(sources, criteria, &groups, watch));
    let TopGroups { others_names, others_messages_max, .. } = first;
    (counted, TopGroups { others_names, others_messages_max, ..second })
}
