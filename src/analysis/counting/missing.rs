//! Messages that were accepted, but whose envelope is no longer in the log. They are never left out
//! silently.

use crate::analysis::error::AnalysisError;
use crate::analysis::folder::{LogSource, UnreadMessages};
use crate::analysis::statistics::counters;
use crate::analysis::statistics::{WRITTEN_WITHIN, wait_until_written};
use crate::stats::Counter;
use crate::time::{Clock, Span, UnixNs};
use crate::wording::counted;
use serde::Serialize;

/// Counts of missing messages, for `--json`. Keys keep their meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MissingMessages {
    /// The total; null if unknown.
    pub messages: Option<u64>,
    /// Messages with storage mode `none`. Null for a span of time, because these messages have no
    /// time. `removed` and `pruned` are null then, too.
    only_counted: Option<u64>,
    removed: Option<u64>,
    pruned: Option<u64>,
    /// Messages whose slot or envelope can't be read.
    damaged: u64,
}

impl MissingMessages {
    /// Counts the missing messages. `spans` has the span of each source. For all of time, the logs
    /// have their number; for a limited span, only statistics have it, without the reasons.
    pub fn count(
        sources: &[LogSource],
        spans: &[Span],
        unread: &UnreadMessages,
        clock: &dyn Clock,
    ) -> Result<MissingMessages, AnalysisError> {
        if spans.iter().all(|span| span.is_all()) {
            return Ok(MissingMessages::of_all(sources, unread));
        }
        // If nothing was ever removed, pruned or only counted, nothing of this span was.
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
            let span = written(*span, clock);
            accepted += counters(source.folder.path(), span, clock)?.total(Counter::Messages);
            present += source.messages(span)?;
        }
        let messages =
            accepted.checked_sub(present).map(|gone| gone + unread.damaged + unread.pruned);
        Ok(MissingMessages { messages, damaged: unread.damaged, ..MissingMessages::default() })
    }

    fn of_all(sources: &[LogSource], unread: &UnreadMessages) -> MissingMessages {
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

    /// Returns a sentence about the missing messages; `None` if there are none. `place` is where
    /// they are missing, such as "in this table".
    pub fn sentence(&self, place: &str) -> Option<String> {
        let Some(messages) = self.messages else {
            return Some(format!(
                "it is unknown how many messages are not {place}: those removed, pruned or only \
                 counted have no time, and statistics do not have all of this span"
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

/// Returns the part of a span that statistics cover. If the span is over, that is all of it, and
/// this waits until it is written. Otherwise it is the part whose statistics must have been written
/// by now.
fn written(span: Span, clock: &dyn Clock) -> Span {
    let now_ns = clock.now();
    match span.until_ns {
        Some(until_ns) if span.is_over(now_ns) => {
            wait_until_written(until_ns, clock);
            span
        }
        _ => {
            let end_s = now_ns.saturating_sub(WRITTEN_WITHIN).second();
            span.intersection(Span { until_ns: Some(UnixNs::of_second(end_s)), ..Span::ALL })
        }
    }
}
