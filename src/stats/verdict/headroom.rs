//! The capacity that the sink had left during a run.
use serde::Serialize;

use crate::stats::metrics::{Counter, Metric};
use crate::stats::reading::{History, Percentiles, RunSummary, Second};

/// Minimum number of messages for a verdict and for headroom.
pub const MESSAGES_MIN: u64 = 1000;
pub const WHOLE_SECONDS_MIN: u64 = 5;
/// Minimum busy share for headroom: the cost of a message on an almost idle loop does not predict
/// the cost at full load.
const BUSY_SHARE_MIN: f64 = 0.20;

/// The capacity that the sink had left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Headroom {
    /// The median busy share of the busiest event loop over the seconds of the run.
    pub busy_share: f64,
    /// Messages per second at which the busiest loop would have been busy all the time,
    /// extrapolated from whole seconds; null if there are too few.
    pub messages_per_s: Option<f64>,
    /// Connections that found the accept queue full.
    pub accept_overflows: u64,
    /// The maximum of the accept queue's length at the beginning of a second.
    pub accept_queue_max: u64,
    /// How often a payload waited for room in the log.
    pub storage_waits: u64,
    /// The sink's time for the end of data of each message, in µs.
    pub service_message_us: Percentiles,
}

impl Headroom {
    /// Computes the headroom of a run.
    pub(super) fn of(history: &History, summary: &RunSummary) -> Headroom {
        // A share can exceed 1: a sender counts a round toward the second in which it began, and an
        // interval is longer than a second when the hub is behind.
        let busy_share = summary.busy_share.median.min(1.0);
        let queue = history.seconds.values().map(|second| second.accept_queue).max();
        Headroom {
            busy_share,
            messages_per_s: saturation_rate(history).filter(|_| busy_share >= BUSY_SHARE_MIN),
            accept_overflows: history.total(Counter::AcceptOverflows),
            accept_queue_max: queue.unwrap_or(0),
            storage_waits: history.total(Counter::StorageWaits),
            service_message_us: Percentiles::of_metric(history, Metric::ServiceMessage),
        }
    }
}

/// Returns messages divided by the time of the busiest loop, over the same seconds: all with
/// messages except the first and the last, which are usually partial.
fn saturation_rate(history: &History) -> Option<f64> {
    let seconds: Vec<&Second> = history.busy_seconds().map(|(_, second)| second).collect();
    let [_, whole @ .., _] = &seconds[..] else { return None };
    let messages: u64 = whole.iter().map(|second| second.counter(Counter::Messages)).sum();
    let busy_us: u64 = whole.iter().map(|second| second.busiest_us).sum();
    let is_enough =
        whole.len() as u64 >= WHOLE_SECONDS_MIN && messages >= MESSAGES_MIN && busy_us > 0;
    (is_enough && !history.is_of_sender()).then(|| messages as f64 * 1e6 / busy_us as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the headroom of a run of this many seconds, each with these messages and this busy
    /// time.
    fn left(seconds: u64, messages: u64, busiest_us: u64) -> Option<f64> {
        let mut history = History::default();
        for second in 0..seconds {
            // The first and the last are partial and less busy.
            let is_cut = second == 0 || second == seconds - 1;
            let (messages, busiest_us) =
                if is_cut { (messages / 10, busiest_us / 20) } else { (messages, busiest_us) };
            let counters = format!(r#""counters":{{"messages":{messages}}},"replies":{{}}"#);
            let line = format!(r#"{{"second":{second},{counters},"busiest_us":{busiest_us}}}"#);
            history.add_second(second, &Second::of_line(&line).unwrap(), []);
        }
        let summary = RunSummary::of(&history);
        Headroom::of(&history, &summary).messages_per_s
    }

    #[test]
    fn what_is_left_comes_from_whole_seconds_and_never_from_too_little() {
        assert_eq!(left(7, 1000, 250_000), Some(4000.0), "the first and the last second are cut");
        for (what, seconds, messages, busiest_us) in [
            ("four whole seconds", 6, 1000, 500_000),
            ("199 messages a second", 7, 199, 500_000),
            ("hardly busy", 7, 1000, 199_999),
            ("no message", 7, 0, 500_000),
        ] {
            assert_eq!(left(seconds, messages, busiest_us), None, "{what}");
        }
    }
}
