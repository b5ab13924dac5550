//! Messages of a log by listener, client or recipient domain. Workers record nothing for it.
mod by;
mod names;
mod reading;
mod table;

use std::ops::Range;

pub use by::GroupBy;
pub use table::{GroupFigures, GroupRow, GroupTable, OtherGroups};

use super::error::Error;
use super::missing::MissingMessages;
use super::selection::FolderSpans;
use super::source::{LogSource, Unread};
use super::span::whole;
use crate::log::reader::Folder;
use names::{Groups, TopGroups};
use reading::{GroupCounts, GroupCriteria};

/// Times that a log is read which loses all of it to pruning meanwhile.
const TRIES_MAX: u32 = 10;

/// A question to a log.
#[derive(Debug, Clone, Copy)]
pub struct GroupQuestion<'a> {
    /// What makes a group.
    pub by: GroupBy,
    /// Groups that the table names.
    pub shown: usize,
    /// The header field with the time at which a message was sent.
    pub sent_field: Option<&'a str>,
}

/// A table, and what it was made of.
pub struct GroupAnswer {
    /// What was found.
    pub table: GroupTable,
    /// Messages that are not in it, as they can't be read.
    pub damaged: u64,
    /// Why, for the first of them.
    pub damage: Vec<String>,
    /// Each time, all of it was pruned before it could be read.
    pub is_outpaced: bool,
    sources: Vec<LogSource>,
}

impl GroupAnswer {
    /// The folders as they were read.
    pub fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.sources.iter().map(|source| &source.folder)
    }
}

/// Reads what the log has of a span. `watch` gets how many messages are done, and of how many, ten
/// times a second.
///
/// Costs about 1 us a message and core. Errors: a folder has no log, or can't be read.
pub fn find(
    selection: FolderSpans<'_>,
    question: GroupQuestion<'_>,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<GroupAnswer, Error> {
    let GroupQuestion { by, shown, sent_field } = question;
    let asks = GroupCriteria { by, sent_field };
    // Whole seconds, as all statistics: both agree on what belongs to a span.
    let spans: Vec<Range<u64>> = selection.spans.iter().map(whole).collect();
    let in_seconds = FolderSpans { spans: &spans, ..selection };
    let mut sources = LogSource::open_all(in_seconds)?;
    let (mut counted, mut top) = count(&sources, asks, shown, watch);
    let is_outpaced = |counted: &GroupCounts| counted.messages == 0 && counted.unread.pruned > 0;
    for _ in 1..TRIES_MAX {
        if !is_outpaced(&counted) {
            break;
        }
        sources = LogSource::open_all(in_seconds)?;
        (counted, top) = count(&sources, asks, shown, watch);
    }
    let is_outpaced = is_outpaced(&counted);
    let missing = MissingMessages::of(&sources, &spans, &counted.unread, selection.clock)?;
    let table = GroupTable::of(asks, &counted, top, missing);
    let Unread { damaged, damage, .. } = counted.unread;
    Ok(GroupAnswer { table, damaged, damage, is_outpaced, sources })
}

/// Counts once, and where there are more names than memory for them a second time those shown.
fn count(
    sources: &[LogSource],
    asks: GroupCriteria<'_>,
    shown: usize,
    watch: &mut dyn FnMut(u64, u64),
) -> (GroupCounts, TopGroups) {
    let take_top = |mut counted: GroupCounts| {
        let groups = std::mem::replace(&mut counted.groups, Groups::new());
        (counted, groups.into_top(shown))
    };
    let (counted, first) = take_top(reading::count(sources, asks, &Groups::new(), watch));
    if first.is_complete {
        return (counted, first);
    }
    let groups = Groups::of(first.named.iter().map(|(name, _)| &**name));
    let (counted, second) = take_top(reading::count(sources, asks, &groups, watch));
    let TopGroups { others_names, others_messages_max, .. } = first;
    (counted, TopGroups { others_names, others_messages_max, ..second })
}
