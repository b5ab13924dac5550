//! Messages that were accepted and whose envelope is no longer in the log: never left out silently.
use std::ops::Range;
use std::time::Duration;

use super::clock::Clock;
use super::error::Error;
use super::gathered::counters;
use super::source::{LogSource, Unread};
use super::words::counted;
use super::written::{WRITTEN_WITHIN, wait_until_written};
use crate::stats::Counter;
use serde::Serialize;

/// In `--json`. Keys keep their meaning.
#[derive(Debug, Default, Serialize)]
pub struct MissingMessages {
    /// All of them; null: unknown.
    pub messages: Option<u64>,
    /// Storage mode `none`. Null for a span of time, as these messages have none; `removed` and
    /// `pruned` are null there, too.
    only_counted: Option<u64>,
    removed: Option<u64>,
    pruned: Option<u64>,
    /// Slot or envelope can't be read.
    damaged: u64,
}

impl MissingMessages {
    /// `spans`: of each source, Unix ns. Of all of time the logs say how many there are; of a part
    /// of it only statistics do, and not why.
    pub fn of(
        sources: &[LogSource],
        spans: &[Range<u64>],
        unread: &Unread,
        clock: &dyn Clock,
    ) -> Result<MissingMessages, Error> {
        if spans.iter().all(|span| *span == (0..u64::MAX)) {
            return Ok(MissingMessages::of_all(sources, unread));
        }
        // Where nothing has ever gone, nothing of this span has.
        let gone = MissingMessages::of_all(sources, unread).messages;
        if gone == Some(unread.damaged) {
            return Ok(MissingMessages {
                messages: gone,
                damaged: unread.damaged,
                ..MissingMessages::default()
            });
        }
        let has_statistics = |source: &LogSource| source.folder.path().join("stats").is_dir();
        if !sources.iter().all(has_statistics) {
            return Ok(MissingMessages { damaged: unread.damaged, ..MissingMessages::default() });
        }
        let (mut accepted, mut present) = (0, 0);
        for (source, span) in sources.iter().zip(spans) {
            let span = written(span, clock);
            accepted += counters(source.folder.path(), &span, clock)?.total(Counter::Messages);
            present += source.messages(&span)?;
        }
        let messages =
            accepted.checked_sub(present).map(|gone| gone + unread.damaged + unread.pruned);
        Ok(MissingMessages { messages, damaged: unread.damaged, ..MissingMessages::default() })
    }

    fn of_all(sources: &[LogSource], unread: &Unread) -> MissingMessages {
        let (mut only_counted, mut removed, mut pruned) = (0, 0, unread.pruned);
        for LogSource { folder, pruned: dropped, .. } in sources {
            only_counted += folder.only_counted();
            removed += folder.removed();
            pruned += dropped.messages + dropped.only_counted;
        }
        MissingMessages {
            messages: Some(only_counted + removed + pruned + unread.damaged),
            only_counted: Some(only_counted),
            removed: Some(removed),
            pruned: Some(pruned),
            damaged: unread.damaged,
        }
    }

    /// The sentence for a person; `None`: nothing is missing. `place`: what they are missing from,
    /// such as "in this table".
    pub fn sentence(&self, place: &str) -> Option<String> {
        let Some(messages) = self.messages else {
            return Some(format!(
                "how many messages are not {place} cannot be told: those removed, pruned or only \
                 counted have no time, and statistics don't have all of this span"
            ));
        };
        if messages == 0 {
            return None;
        }
        let reasons = [
            (self.only_counted, "only counted"),
            (self.removed, "removed"),
            (self.pruned, "pruned"),
            (Some(self.damaged), "damaged (see verify)"),
        ];
        let known = reasons.iter().filter_map(|(n, why)| n.filter(|n| *n > 0).map(|n| (n, why)));
        let mut why: Vec<String> = known.map(|(n, why)| format!("{n} {why}")).collect();
        if self.pruned.is_none() && messages > self.damaged {
            why.push("removed, pruned, or only counted".into());
        }
        let messages = counted(messages, "message is", "messages are");
        Some(format!("{messages} not {place}: {}", why.join(", ")))
    }
}

/// The part of a span that statistics have. Of one that is over that is all of it, for which we
/// wait; else what is older than they take to be written down.
fn written(span: &Range<u64>, clock: &dyn Clock) -> Range<u64> {
    let now = clock.now();
    if Duration::from_nanos(span.end) <= now {
        wait_until_written(span.end, clock);
        return span.clone();
    }
    let end_s = now.saturating_sub(WRITTEN_WITHIN).as_secs();
    span.start..(end_s * 1_000_000_000).max(span.start)
}
