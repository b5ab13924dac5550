//! The limits that clients kept to, and which connections were not recorded.
use std::time::Duration;

use super::gap::LimitsGap;
use crate::analysis::error::AnalysisError;
use crate::analysis::folder::FolderSpans;
use crate::analysis::folder::holder;
use crate::analysis::statistics::{RunStatistics, UnrecordedMessages};
use crate::stats::{Counter, Metric, Percentiles, SenderLimits, TenthSpan};
use crate::time::{Seconds, parse_duration};
use crate::wording::Unexpected;

/// The longest window, in seconds: a day.
const WINDOW_S_MAX: u64 = 24 * 3600;

/// Parses the length of a window: whole seconds, up to a day.
pub fn window(text: &str) -> Result<u64, Unexpected> {
    let error = || Unexpected::new("a window of whole seconds from 1s to 1d, such as 1m", text);
    let length = parse_duration(text).and_then(|length| Duration::try_from(length).ok());
    let is_whole = |time: &Duration| time.subsec_nanos() == 0;
    let seconds = length.filter(is_whole).map(|time| time.as_secs());
    seconds.filter(|seconds| (1..=WINDOW_S_MAX).contains(seconds)).ok_or_else(error)
}

/// The limits that clients kept to in a span, and what is known about gaps in the record.
pub struct KeptLimits {
    /// The figures of each client and of all clients.
    pub limits: SenderLimits,
    /// From the first to the last tenth of a second with an accepted message.
    pub span: Option<TenthSpan>,
    /// The lengths of the windows in seconds, as the caller passed them.
    pub windows_s: Vec<u64>,
    /// Forward-paths per message, over all clients.
    pub recipients: Percentiles,
    /// Connections greeted with 421; they count for no client.
    pub turned_away: u64,
    /// Accepted messages that belong to no recorded connection.
    pub messages_not_on_record: u64,
    /// How often a connection could not be recorded.
    lost: u64,
    /// Messages that the log holds and the figures lack.
    missing_messages: Option<UnrecordedMessages>,
    is_of_sender: bool,
}

impl KeptLimits {
    /// Reads the records of connections. `gathered` has the statistics of the same selection.
    ///
    /// Errors: a file cannot be read.
    pub fn read(
        selection: FolderSpans<'_>,
        gathered: &RunStatistics,
        windows_s: Vec<u64>,
    ) -> Result<KeptLimits, AnalysisError> {
        let spans: Vec<Seconds> = selection.spans.iter().map(|span| span.seconds()).collect();
        let is_running = selection.folders.iter().any(|folder| holder(folder).is_some());
        let over_s = is_running.then(|| selection.clock.now().second());
        let mut limits = SenderLimits::read(selection.folders, &spans, &windows_s, over_s)
            .map_err(AnalysisError::Connections)?;
        let history = &gathered.history;
        limits.damage.extend_from_slice(&history.damage);
        let messages = history.total(Counter::Messages);
        let recipients = history.histogram(Metric::Recipients).map(Percentiles::of);
        let recipients = bounded(recipients.unwrap_or_default(), limits.all.recipients_max);
        Ok(KeptLimits {
            messages_not_on_record: messages.saturating_sub(limits.all.messages),
            limits,
            span: gathered.summary.span,
            windows_s,
            recipients,
            turned_away: history.total(Counter::TurnedAway),
            missing_messages: gathered.missing_messages(),
            lost: history.total(Counter::LostSessions),
            is_of_sender: history.is_of_sender(),
        })
    }

    /// Returns why the figures may be too low or empty, including that the current second is not
    /// recorded yet.
    pub fn gap_until_now(&self) -> Option<LimitsGap> {
        self.missing_messages.map(LimitsGap::Unrecorded).or_else(|| self.gap())
    }

    /// Returns why the records may be incomplete or empty.
    pub fn gap(&self) -> Option<LimitsGap> {
        if self.is_of_sender {
            return Some(LimitsGap::OfSender);
        }
        if let Some(damage) = self.limits.damage.first() {
            return Some(LimitsGap::Damaged(damage.clone()));
        }
        let some = |n: u64| Some(n).filter(|n| *n > 0);
        let all = &self.limits.all;
        let lost = some(self.lost).map(LimitsGap::Lost);
        lost.or_else(|| some(self.messages_not_on_record).map(LimitsGap::NotOnRecord))
            .or_else(|| some(all.cut_off).map(LimitsGap::CutOff))
            .or_else(|| (all.connections == 0).then_some(LimitsGap::NoConnection))
    }
}

/// Limits percentiles, which are accurate within 1%, to the maximum, which is exact.
fn bounded(p: Percentiles, max: u64) -> Percentiles {
    let [p50, p90, p99, p99_9] = [p.p50, p.p90, p.p99, p.p99_9].map(|n| n.min(max));
    Percentiles { p50, p90, p99, p99_9, p99_99: p.p99_99.min(max), max: p.max.min(max), ..p }
}
