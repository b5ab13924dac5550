//! The state of the last minutes, without a clock, files or a terminal.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::measure::Measure;
use hdrhistogram::Histogram;
use sinkd::stats::{
    Counter, History, Metric, NewSeconds, Percentiles, RunSummary, Second, Verdict,
};

/// Number of seconds that are kept.
pub const KEEP_S: u64 = 900;
/// Number of seconds whose histograms are kept; for older ones, only the p99 is.
const HISTOGRAMS_S: u64 = 15;
/// Number of seconds that the verdict covers.
const VERDICT_S: u64 = 10;
const _: () = assert!(VERDICT_S + LAG_S <= HISTOGRAMS_S, "the verdict needs their histograms");
/// A second is written at most a second after its end. If the newest one began longer ago than
/// this, nothing has happened since.
const LAG_S: u64 = 3;

/// The content of the folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredMail {
    /// Messages, including those that were only counted.
    pub messages: u64,
    pub segments: u64,
    pub disk_bytes: u64,
}

/// What was recorded in one second.
#[derive(Debug, Default)]
struct RecordedSecond {
    counts: Second,
    histograms: BTreeMap<Metric, Histogram<u64>>,
    p99: BTreeMap<Metric, u64>,
}

/// What the screen shows about a folder.
#[derive(Debug)]
pub struct RunState {
    pub folder: PathBuf,
    /// Unix time of the last read, in seconds.
    pub now_s: u64,
    pub stored: StoredMail,
    /// Process id of the sinkd that runs on the folder, if one is visible.
    pub holder: Option<u32>,
    /// Whether the folder has statistics.
    pub has_statistics: bool,
    /// Why the last read was incomplete.
    pub problem: Option<String>,
    /// What limited the last ten seconds; `None` if no message arrived.
    pub verdict: Option<Verdict>,
    seconds: BTreeMap<u64, RecordedSecond>,
}

/// Whether sinkd is running, and whether it records anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// New seconds arrive.
    Live,
    /// sinkd is running, but nothing arrived for this number of seconds, or (`None`) in all seconds
    /// that are kept.
    Quiet(Option<u64>),
    /// Nothing arrives, and no sinkd is visible.
    Stopped(Option<u64>),
    /// sinkd is running, but keeps no statistics.
    NoStatistics,
}

/// Values over time.
#[derive(Debug, PartialEq, Eq)]
pub struct GraphSeries {
    /// The newest value is last; one per column.
    pub values: Vec<u64>,
    /// The length of a column, in seconds.
    pub step_s: u64,
    /// The highest value of any second, which may exceed the mean of a column.
    pub most: u64,
}

impl RunState {
    pub fn new(folder: &Path) -> RunState {
        RunState {
            folder: folder.to_owned(),
            now_s: 0,
            stored: StoredMail::default(),
            holder: None,
            has_statistics: false,
            problem: None,
            verdict: None,
            seconds: BTreeMap::new(),
        }
    }

    /// Adds new seconds, which were read at `now_s`.
    pub fn take(&mut self, now_s: u64, news: NewSeconds) {
        self.now_s = now_s;
        for (second, counts) in news.seconds {
            self.seconds.entry(second).or_default().counts.merge(&counts);
        }
        for (metric, second, histogram) in news.histograms {
            let moment = self.seconds.entry(second).or_default();
            let p99 = moment.p99.entry(metric).or_default();
            if second + HISTOGRAMS_S < now_s {
                *p99 = histogram.value_at_quantile(0.99).max(*p99);
                continue;
            }
            let mine = moment.histograms.entry(metric).or_insert_with(|| metric.histogram());
            // Only a newer sinkd has values above our maximum.
            if mine.add(&histogram).is_ok() {
                *p99 = mine.value_at_quantile(0.99);
            }
        }
        self.seconds = self.seconds.split_off(&now_s.saturating_sub(KEEP_S));
        for moment in self.seconds.range_mut(..now_s.saturating_sub(HISTOGRAMS_S)) {
            moment.1.histograms.clear();
        }
        self.verdict = self.judge();
    }

    fn judge(&self) -> Option<Verdict> {
        let mut history = History::default();
        let last = self.last();
        for (second, moment) in self.seconds.range((last + 1).saturating_sub(VERDICT_S)..=last) {
            history.add_second(*second, &moment.counts, &moment.histograms);
        }
        let has_messages = history.total(Counter::Messages) > 0;
        has_messages.then(|| Verdict::of(&history, &RunSummary::of(&history)))
    }

    /// Returns the newest second with an entry. Seconds ahead of the clock are ignored.
    fn newest(&self) -> Option<u64> {
        self.seconds.range(..=self.now_s).next_back().map(|(second, _)| *second)
    }

    /// Returns the second to show as the last one, which is complete.
    pub fn last(&self) -> u64 {
        self.newest().unwrap_or(0).max(self.now_s.saturating_sub(LAG_S))
    }

    pub fn condition(&self) -> Condition {
        let ago = self.newest().map(|newest| self.now_s - newest);
        match (ago, self.holder) {
            (Some(ago), _) if ago <= LAG_S => Condition::Live,
            (_, Some(_)) if !self.has_statistics => Condition::NoStatistics,
            (ago, Some(_)) => Condition::Quiet(ago),
            (ago, None) => Condition::Stopped(ago),
        }
    }

    fn moments(&self, seconds: u64) -> impl Iterator<Item = &RecordedSecond> {
        let last = self.last();
        let first = (last + 1).saturating_sub(seconds);
        self.seconds.range(first..=last).map(|(_, moment)| moment)
    }

    /// Returns the share of the last second that the busiest loop spent in rounds.
    pub fn busy_share(&self) -> f64 {
        self.moments(1).map(|moment| moment.counts.busiest_us).max().unwrap_or(0) as f64 / 1e6
    }

    /// Returns the percentiles of several metrics combined, over the last `seconds`, for which
    /// histograms must be kept; `None` if nothing was recorded.
    pub fn percentiles(&self, metrics: &[Metric], seconds: u64) -> Option<Percentiles> {
        let mut total = metrics.first()?.histogram();
        let all = self.moments(seconds).flat_map(|moment| &moment.histograms);
        for (_, histogram) in all.filter(|(metric, _)| metrics.contains(metric)) {
            total.add(histogram).ok()?;
        }
        (!total.is_empty()).then(|| Percentiles::of(&total))
    }

    /// Returns the replies of the last seconds: refusals first, then the most frequent.
    pub fn replies(&self, seconds: u64) -> Vec<(String, u64)> {
        let mut sums = BTreeMap::<&str, u64>::new();
        for (name, n) in self.moments(seconds).flat_map(|moment| &moment.counts.replies) {
            *sums.entry(name).or_default() += n;
        }
        let mut replies: Vec<_> = sums.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        replies.sort_by_key(|(name, n)| (!is_refusal(name), std::cmp::Reverse(*n)));
        replies
    }

    /// Returns the connections that were open at the end of the last second with activity.
    pub fn open_connections(&self) -> u64 {
        let known = self.seconds.range(..=self.last()).next_back();
        known.map_or(0, |(_, moment)| moment.counts.open_connections)
    }

    /// Returns the current value of a measure.
    pub fn value(&self, shown: Measure) -> u64 {
        if shown == Measure::Open {
            return self.open_connections();
        }
        self.moments(1).next().map_or(0, |moment| moment.value(shown))
    }

    /// Returns the last minutes by columns: means of rates, the highest p99, the most open
    /// connections. Columns longer than a second begin at multiples of their length, so they do not
    /// flicker as they move.
    pub fn series(&self, shown: Measure, columns: usize) -> GraphSeries {
        let columns = columns.max(1) as u64;
        let step_s = [1, 2, 5, 10].into_iter().find(|step| columns * step >= 120).unwrap_or(15);
        let last = self.last();
        let first = (last / step_s + 1).saturating_sub(columns);
        let (mut values, mut most) = (vec![0; columns as usize], 0);
        for (second, moment) in self.seconds.range(first * step_s..=last) {
            let value = &mut values[(second / step_s - first) as usize];
            most = most.max(moment.value(shown));
            match shown {
                Measure::Rate(_) => *value += moment.value(shown),
                Measure::P99(_) | Measure::Open => *value = (*value).max(moment.value(shown)),
            }
        }
        if shown == Measure::Open {
            self.carry_forward(first * step_s, step_s, &mut values);
        }
        if let Measure::Rate(_) = shown {
            let in_newest = last % step_s + 1;
            let newest = values.len() - 1;
            values[..newest].iter_mut().for_each(|sum| *sum /= step_s);
            values[newest] /= in_newest;
        }
        // The connections may have been opened before the first column.
        if shown == Measure::Open {
            most = values.iter().copied().max().unwrap_or(0);
        }
        GraphSeries { values, step_s, most }
    }

    /// Fills columns without activity with the open connections at the end of the column before.
    fn carry_forward(&self, first_s: u64, step_s: u64, values: &mut [u64]) {
        let before = self.seconds.range(..first_s).next_back();
        let mut now = before.map_or(0, |(_, moment)| moment.counts.open_connections);
        for (column, value) in values.iter_mut().enumerate() {
            let start = first_s + column as u64 * step_s;
            match self.seconds.range(start..start + step_s).next_back() {
                Some((_, moment)) => now = moment.counts.open_connections,
                None => *value = now,
            }
        }
    }
}

/// Returns whether a reply is a refusal.
pub fn is_refusal(reply: &str) -> bool {
    reply.starts_with(['4', '5'])
}

impl RecordedSecond {
    fn value(&self, shown: Measure) -> u64 {
        match shown {
            Measure::Rate(counter) => self.counts.counter(counter),
            Measure::Open => self.counts.open_connections,
            Measure::P99(metric) => self.p99.get(&metric).copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Returns a second with this number of messages of 1000 octets and two recipients, and
    /// transactions of `us` each.
    fn news(second: u64, messages: u64, us: u64) -> NewSeconds {
        let line = format!(
            r#"{{"second":{second},"counters":{{"messages":{messages},"recipients":{},"bytes":{}}},
                "replies":{{"250 2.0.0":{messages},"354":{messages},"452 4.3.1":1}},
                "busiest_us":{},"tenths":[{messages},0,0,0,0,0,0,0,0,0]}}"#,
            2 * messages,
            1000 * messages,
            10_000 * (second % 100)
        );
        let mut news = NewSeconds::default();
        news.seconds.insert(second, Second::of_line(&line).unwrap());
        for metric in [Metric::Transaction, Metric::ThinkData, Metric::ServiceMessage] {
            let mut histogram = metric.histogram();
            histogram.record_n(us, messages).unwrap();
            news.histograms.push((metric, second, histogram));
        }
        news
    }

    pub const NOW_S: u64 = 1_795_248_000;

    /// Returns five minutes of 24,000 messages per second, with transactions of 100 µs; the last
    /// second has 12,345 messages, and transactions of 200 µs.
    pub fn running() -> RunState {
        let mut state = RunState::new(Path::new("sink-data"));
        for second in NOW_S - 300..NOW_S - 2 {
            state.take(NOW_S, news(second, 24_000, 100));
        }
        state.take(NOW_S, news(NOW_S - 2, 12_345, 200));
        state.holder = Some(4711);
        state.has_statistics = true;
        state.stored = StoredMail { messages: 7_654_321, segments: 40, disk_bytes: 2_500_000_000 };
        state
    }

    #[test]
    fn the_last_second_is_one_that_was_written_down() {
        let mut state = running();
        assert_eq!((state.last(), state.condition()), (NOW_S - 2, Condition::Live));
        assert_eq!(state.value(Measure::FIRST), 12_345);
        assert_eq!(state.value(Measure::Rate(Counter::MessageRecipients)), 2 * 12_345);
        assert_eq!(state.value(Measure::P99(Metric::Transaction)), 200);
        let one = state.percentiles(&[Metric::Transaction], 1).unwrap();
        let ten = state.percentiles(&[Metric::Transaction, Metric::ThinkData], 10).unwrap();
        assert_eq!((one.count, ten.count), (12_345, 2 * (9 * 24_000 + 12_345)));
        assert_eq!((one.p50, ten.p50), (200, 100));
        assert_eq!(state.percentiles(&[Metric::Session], 10).map(|p| p.count), None);
        assert_eq!(state.replies(10)[0], ("452 4.3.1".into(), 10));
        // A late worker adds to a second.
        state.take(NOW_S + 1, news(NOW_S - 2, 5, 200));
        assert_eq!(state.value(Measure::FIRST), 12_350);
        assert_eq!(state.percentiles(&[Metric::Transaction], 1).unwrap().count, 12_350);
    }

    #[test]
    fn kinds_of_silence_are_distinguished() {
        let mut state = running();
        state.take(NOW_S + 20, NewSeconds::default());
        assert_eq!(state.condition(), Condition::Quiet(Some(22)));
        assert_eq!((state.value(Measure::FIRST), state.busy_share()), (0, 0.0));
        assert_eq!(state.last(), NOW_S + 17);
        state.holder = None;
        assert_eq!(state.condition(), Condition::Stopped(Some(22)));
        let mut state = RunState::new(Path::new("x"));
        state.take(NOW_S, NewSeconds::default());
        assert_eq!(state.condition(), Condition::Stopped(None));
        state.holder = Some(1);
        assert_eq!(state.condition(), Condition::NoStatistics);
        state.has_statistics = true;
        assert_eq!(state.condition(), Condition::Quiet(None));
        assert_eq!(state.series(Measure::FIRST, 80).values, [0; 80]);
        // A clock that was set back.
        let mut state = running();
        state.take(NOW_S - 100, NewSeconds::default());
        assert_eq!((state.last(), state.condition()), (NOW_S - 100, Condition::Live));
    }

    #[test]
    fn the_verdict_is_on_the_last_ten_seconds() {
        // Busy for 89 to 98% of the time.
        let mut state = running();
        assert!(state.verdict.as_ref().is_some_and(Verdict::is_saturated));
        // Seconds with little load follow, so that half a minute later only those count.
        for second in NOW_S + 1..NOW_S + 31 {
            state.take(second + 2, news(second, 100, 100));
        }
        let verdict = state.verdict.as_ref().unwrap();
        assert!(!verdict.is_saturated() && verdict.headroom.busy_share < 0.3, "{verdict:?}");
        state.take(NOW_S + 60, NewSeconds::default());
        assert_eq!(state.verdict, None);
    }

    #[test]
    fn old_histograms_are_forgotten_and_their_p99_stays() {
        let mut state = running();
        state.take(NOW_S + KEEP_S - 10, NewSeconds::default());
        assert!(state.seconds.keys().all(|second| *second >= NOW_S - 10));
        assert!(state.seconds.values().all(|moment| moment.histograms.is_empty()));
        let series = running().series(Measure::P99(Metric::Transaction), 200);
        assert_eq!(series.values.iter().filter(|us| **us == 100).count(), 199);
    }

    #[test]
    fn series_have_a_column_for_each_place_and_means_of_rates() {
        let state = running();
        for (columns, step_s) in [(1, 15), (8, 15), (12, 10), (38, 5), (78, 2), (198, 1)] {
            let series = state.series(Measure::FIRST, columns);
            assert_eq!((series.values.len(), series.step_s), (columns, step_s));
        }
        let series = state.series(Measure::FIRST, 78);
        assert_eq!(series.most, 24_000);
        // NOW_S is even, so the last column contains only NOW_S - 2.
        assert_eq!(series.values[76..], [24_000, 12_345]);
        assert_eq!(state.series(Measure::FIRST, 0).values.len(), 1);
    }

    #[test]
    fn the_highest_second_is_not_a_mean_of_several() {
        let mut state = RunState::new(Path::new("x"));
        state.take(NOW_S, news(NOW_S - 3, 100, 1));
        state.take(NOW_S, news(NOW_S - 2, 500, 1));
        let series = state.series(Measure::FIRST, 38);
        assert_eq!((series.step_s, series.most), (5, 500));
        assert!(series.values.iter().all(|mean| *mean < 500), "{:?}", series.values);
    }

    #[test]
    fn open_connections_stay_as_they_are_while_nothing_happens() {
        let mut state = RunState::new(Path::new("x"));
        let open = |second: u64, open: u64| {
            let line = format!(
                r#"{{"second":{second},"counters":{{}},"replies":{{}},"open_connections":{open}}}"#
            );
            let mut news = NewSeconds::default();
            news.seconds.insert(second, Second::of_line(&line).unwrap());
            news
        };
        state.take(NOW_S - 400, open(NOW_S - 400, 7));
        for (ago, n) in [(60, 20), (30, 5)] {
            state.take(NOW_S - ago, open(NOW_S - ago, n));
        }
        state.take(NOW_S, NewSeconds::default());
        assert_eq!(state.value(Measure::Open), 5);
        let values = state.series(Measure::Open, 198).values;
        assert_eq!((values[0], values.iter().max(), values.last()), (7, Some(&20), Some(&5)));
        assert!(values.iter().all(|open| [7, 20, 5].contains(open)), "{values:?}");
    }

    #[test]
    fn every_metric_can_be_shown() {
        let mut shown = Measure::FIRST;
        for _ in Measure::all() {
            assert_eq!(shown.next().before(), shown);
            shown = shown.next();
        }
        assert_eq!(shown, Measure::FIRST);
    }
}
