//! Finds the messages of several folders that match a query.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::merged::{Merged, TimeOrder};
use crate::analysis::watched::watched;
use crate::index::query::Query;
use crate::index::{self, Hit, Omissions, SearchOptions, SearchProgress, UnusableIndex};
use crate::log::reader::Folder;
use crate::machine::cores;
use crate::time::{Span, UnixNs};

/// What to search for, and how far.
#[derive(Debug, Clone, Copy)]
pub struct MatchQuery<'a> {
    /// The query, parsed for each folder, because runs differ between folders.
    pub queries: &'a [Query],
    /// The span of time to search, for each folder.
    pub spans: &'a [Span],
    /// The maximum number of matches, newest first; `None` for all, 0 to only count them.
    pub limit: Option<u64>,
    /// Skips messages that are not indexed, and counts them.
    pub indexed_only: bool,
    /// Ends the search early once it is set.
    pub stop: &'a Arc<AtomicBool>,
}

/// What a search of all folders found, and what it could not check.
#[derive(Debug, Default)]
pub struct Matches {
    /// Matches with the number of their folder, newest first.
    pub hits: Vec<(usize, Hit)>,
    /// The number of matches. A search with a limit above 0 may end early; then it counts only the
    /// matches seen.
    pub count: u64,
    /// Why the answer may be incomplete.
    pub left_out: Omissions,
    /// For each folder, the segments whose index is unusable and whose mail was searched instead.
    pub unusable: Vec<Vec<UnusableIndex>>,
    /// The number of messages that were compared with the query.
    pub searched: u64,
}

impl Matches {
    /// Searches all folders on all cores. `watch` gets the number of searched messages of a folder,
    /// and the total of that folder, ten times a second.
    pub fn find(
        folders: &[Folder],
        query: MatchQuery<'_>,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Matches {
        let (mut all, mut hits) = (Matches::default(), Vec::new());
        let threads = cores();
        let MatchQuery { limit, indexed_only, .. } = query;
        let options = |span| SearchOptions { limit, span, indexed_only, threads };
        for ((folder, text), span) in folders.iter().zip(query.queries).zip(query.spans) {
            let progress = SearchProgress { stop: query.stop.clone(), ..SearchProgress::default() };
            let messages = folder.messages();
            // Pairs with the additions in `index::search`. Only the number itself is shared.
            let searched = || progress.messages.load(Ordering::Relaxed);
            let found = watched(
                || watch(searched(), messages),
                || index::search(folder, text, options(*span), &progress),
            );
            hits.push(found.hits.into_iter());
            all.count += found.matches;
            all.left_out.add(found.left_out);
            all.unusable.push(found.unusable);
            all.searched += searched();
        }
        all.hits = Merged::new(hits, TimeOrder::NewestFirst, newest).collect();
        // Each folder may have returned the full limit.
        all.hits.truncate(limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)));
        all
    }
}

fn newest(hit: &Hit) -> Option<UnixNs> {
    Some(hit.received_at_ns)
}
