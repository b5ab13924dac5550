//! The figures of a span of time, for `--json` and for text.
use std::collections::BTreeMap;

use super::gathered::RunStatistics;
use super::verdict_figures::with_sentence;
use crate::analysis::transit::OverallTransit;
use crate::analysis::words::rfc3339;
use crate::stats::{
    Counter, History, MessageRate, Metric, OpenSessions, Percentiles, RunTotals, Verdict,
};
use serde::Serialize;

/// The figures in `--json` (docs/stats-format.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct Figures<'a> {
    /// The time of the first message (RFC 3339), to a tenth of a second; null if there is none.
    pub from: Option<String>,
    /// The time of the last message.
    pub until: Option<String>,
    /// The time between the two in seconds; 0 without messages.
    pub seconds: f64,
    /// The sums over the span.
    pub totals: RunTotals,
    /// Rates over the span from the first to the last message.
    pub rate: Rates,
    /// Transaction times of accepted messages, in µs.
    pub transaction_us: Percentiles,
    /// Metrics by name; those without records are left out.
    pub metrics: BTreeMap<&'static str, Percentiles>,
    /// Replies by code and enhanced code.
    pub replies: BTreeMap<&'a str, u64>,
    /// The sessions open at the end of the span; their `messages` is null if unknown.
    pub open_sessions: OpenSessions,
    /// Load of the busiest event loop.
    pub loops: Loops,
    /// How far indexing lagged, sampled in seconds with traffic.
    pub index_lag: IndexLag,
    /// What kept the run from being faster, with the evidence.
    #[serde(serialize_with = "with_sentence")]
    pub verdict: &'a Verdict,
    /// Sums of all counters by name; those that are 0 are left out.
    pub counters: BTreeMap<&'static str, u64>,
    /// Messages that the logs hold and these statistics lack; null if unknown (for a span, or for
    /// folders that can't be read).
    pub not_recorded: Option<u64>,
    /// The transit times; null without --sent-field.
    pub transit: Option<&'a OverallTransit>,
}

impl Figures<'_> {
    /// Returns all metrics, including the transit time, which no worker records.
    pub fn all_metrics(&self) -> BTreeMap<&'static str, Percentiles> {
        let transit = self.transit.map(|transit| ("transit_us", transit.all.transit_us));
        self.metrics.iter().map(|(tag, p)| (*tag, *p)).chain(transit).collect()
    }
}

/// Rates over the span from the first to the last message.
#[derive(Debug, Serialize)]
pub struct Rates {
    /// Accepted messages per second.
    pub messages_per_s: MessageRate,
}

/// The load of the busiest event loop.
#[derive(Debug, Serialize)]
pub struct Loops {
    /// The median over the whole seconds with messages, as a part of 1.
    pub busy_share_median: f64,
    /// The share in the busiest of these seconds.
    pub busy_share_max: f64,
    /// The longest loop round of any worker, in µs; 0 if none was recorded.
    pub longest_round_us: u64,
}

/// How far indexing lagged in a span.
#[derive(Debug, Serialize)]
pub struct IndexLag {
    /// The largest number of messages that were waiting to be indexed at the same time.
    pub messages_max: u64,
    /// The number of messages that were waiting to be indexed in the last recorded second.
    pub messages_last: u64,
    /// The maximum age of the oldest message that was waiting, in seconds.
    pub seconds_max: u64,
}

impl IndexLag {
    fn of(history: &History) -> IndexLag {
        let seconds = history.seconds.values();
        IndexLag {
            messages_max: seconds.clone().map(|s| s.index_lag_messages).max().unwrap_or(0),
            messages_last: seconds.clone().next_back().map_or(0, |s| s.index_lag_messages),
            seconds_max: seconds.map(|s| s.index_lag_s).max().unwrap_or(0),
        }
    }
}

/// Computes the figures. Costs a few passes over the seconds, and one over each histogram.
pub fn figures(gathered: &RunStatistics) -> Figures<'_> {
    let RunStatistics { history, summary, verdict, open_sessions, not_recorded, transit } =
        gathered;
    let recorded = |metric: &&Metric| history.histogram(**metric).is_some();
    let metrics = Metric::ALL.iter().filter(recorded);
    let counters = Counter::ALL.iter().map(|c| (c.tag(), history.total(*c)));
    Figures {
        from: summary.span.map(|span| rfc3339(span.begin_ns())),
        until: summary.span.map(|span| rfc3339(span.end_ns())),
        seconds: summary.seconds(),
        totals: summary.totals,
        rate: Rates { messages_per_s: summary.rate },
        transaction_us: Percentiles::of_metric(history, Metric::Transaction),
        metrics: metrics.map(|m| (m.tag(), Percentiles::of_metric(history, *m))).collect(),
        replies: history.replies(),
        open_sessions: *open_sessions,
        loops: Loops {
            busy_share_median: summary.busy_share.median,
            busy_share_max: summary.busy_share.max,
            longest_round_us: Percentiles::of_metric(history, Metric::Round).max,
        },
        index_lag: IndexLag::of(history),
        verdict,
        counters: counters.filter(|(_, n)| *n > 0).collect(),
        not_recorded: *not_recorded,
        transit: transit.as_ref(),
    }
}
