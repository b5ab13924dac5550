//! A run in a few numbers.
use hdrhistogram::Histogram;
use serde::Serialize;

use super::history::History;
use super::metric::{Counter, Metric};

/// More than any fleet takes in a second.
const MESSAGES_MAX: u64 = 1 << 36;

/// Messages per second over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Messages by time from the first to the last tenth of a second with messages.
    pub mean: f64,
    /// Of whole seconds from the first message on.
    pub median: f64,
    /// See above.
    pub max: f64,
}

/// Percentiles of a histogram, in its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Values recorded.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    #[allow(missing_docs)]
    pub p50: u64,
    #[allow(missing_docs)]
    pub p90: u64,
    #[allow(missing_docs)]
    pub p99: u64,
    #[allow(missing_docs)]
    pub p99_9: u64,
    #[allow(missing_docs)]
    pub p99_99: u64,
    #[allow(missing_docs)]
    pub max: u64,
}

/// Sums over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Accepted.
    pub messages: u64,
    /// Their forward-paths.
    pub recipients: u64,
    /// Their octets.
    pub bytes: u64,
    /// Accepted.
    pub connections: u64,
    /// Messages refused at the end of data.
    pub refused: u64,
}

/// A run in a few numbers.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Sums.
    pub totals: Totals,
    /// Unix time of the first and the last tenth of a second with messages, in tenths.
    pub span_tenths: Option<(u64, u64)>,
    /// Messages per second.
    pub rate: Rate,
    /// Of the busiest loop, its share of time in rounds: median and maximum over the seconds.
    pub busy_share: (f64, f64),
    /// Tenths with messages, and how many.
    busy: Vec<(u64, u64)>,
}

impl Percentiles {
    /// Of a histogram. Costs one pass over it.
    pub fn of(histogram: &Histogram<u64>) -> Percentiles {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles {
            count: histogram.len(),
            mean: histogram.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: histogram.max(),
        }
    }

    /// Of a metric; all 0 where nothing was recorded.
    pub fn of_metric(history: &History, metric: Metric) -> Percentiles {
        history.histogram(metric).map(Percentiles::of).unwrap_or_default()
    }
}

impl Summary {
    /// Sums and rates.
    pub fn of(history: &History) -> Summary {
        let totals = Totals {
            messages: history.total(Counter::Messages),
            recipients: history.total(Counter::MessageRecipients),
            bytes: history.total(Counter::MessageBytes),
            connections: history.total(Counter::Connections),
            refused: history.total(Counter::Refused),
        };
        let busy = busy_tenths(history);
        let span_tenths = busy.first().zip(busy.last()).map(|(first, last)| (first.0, last.0));
        let rate = Rate::of(&windows(&busy, 10), &busy);
        Summary { totals, span_tenths, rate, busy_share: busy_share(history), busy }
    }

    /// From first to last message, s.
    pub fn seconds(&self) -> f64 {
        self.span_tenths.map_or(0.0, |(first, last)| (last - first + 1) as f64 / 10.0)
    }

    /// How many messages came in each second (10) or tenth of a second (1) of the span, as a
    /// histogram: what stutters shows here, and not in a mean.
    pub fn throughput(&self, tenths: u64) -> Histogram<u64> {
        let mut histogram =
            Histogram::new_with_max(MESSAGES_MAX, 3).expect("a bound and three digits are allowed");
        let Windows { count, busy } = windows(&self.busy, tenths);
        histogram.saturating_record_n(0, count - busy.len() as u64);
        busy.iter().for_each(|n| histogram.saturating_record(*n));
        histogram
    }
}

/// Messages in windows of equal length from the first message on, the last one whole.
#[derive(Debug)]
struct Windows {
    /// All of them.
    count: u64,
    /// Messages in those that had any.
    busy: Vec<u64>,
}

impl Rate {
    fn of(seconds: &Windows, busy: &[(u64, u64)]) -> Rate {
        let (Some(first), Some(last)) = (busy.first(), busy.last()) else {
            return Rate::default();
        };
        let messages: u64 = busy.iter().map(|(_, n)| n).sum();
        let mean = messages as f64 * 10.0 / (last.0 - first.0 + 1) as f64;
        if seconds.count == 0 {
            // Shorter than a second: there is one number to give.
            return Rate { mean, median: mean, max: mean };
        }
        let mut sorted = seconds.busy.clone();
        sorted.sort_unstable();
        let empty = seconds.count - sorted.len() as u64;
        let at = |i: u64| i.checked_sub(empty).map_or(0, |i| sorted[i as usize]);
        let median = (at((seconds.count - 1) / 2) + at(seconds.count / 2)) as f64 / 2.0;
        Rate { mean, median, max: sorted.last().copied().unwrap_or(0) as f64 }
    }
}

/// Of the busiest loop, over the seconds with messages; without the first and the last, which are
/// rarely whole.
fn busy_share(history: &History) -> (f64, f64) {
    let shares: Vec<u64> = history.busy_seconds().map(|(_, second)| second.busiest_us).collect();
    let mut shares = match &shares[..] {
        [_, whole @ .., _] if !whole.is_empty() => whole.to_vec(),
        few => few.to_vec(),
    };
    shares.sort_unstable();
    let of = |us: Option<&u64>| us.map_or(0.0, |us| *us as f64 / 1e6);
    (of(shares.get(shares.len() / 2)), of(shares.last()))
}

/// Tenths of a second with messages (Unix time), ascending, and how many.
fn busy_tenths(history: &History) -> Vec<(u64, u64)> {
    let busy = history.seconds.iter().flat_map(|(second, counts)| {
        let tenths = counts.tenths.iter().enumerate().filter(|(_, n)| **n > 0);
        tenths.map(move |(i, n)| (second * 10 + i as u64, *n))
    });
    busy.collect()
}

fn windows(busy: &[(u64, u64)], tenths: u64) -> Windows {
    let (Some(first), Some(last)) = (busy.first(), busy.last()) else {
        return Windows { count: 0, busy: Vec::new() };
    };
    let count = (last.0 - first.0 + 1) / tenths;
    let mut sums: Vec<(u64, u64)> = Vec::new();
    for (tenth, n) in busy {
        let window = (tenth - first.0) / tenths;
        match sums.last_mut().filter(|(w, _)| *w == window) {
            Some((_, sum)) => *sum += n,
            None => sums.push((window, *n)),
        }
    }
    let busy = sums.into_iter().filter(|(w, _)| *w < count).map(|(_, n)| n).collect();
    Windows { count, busy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(busy: &[(u64, u64)]) -> Rate {
        Rate::of(&windows(busy, 10), busy)
    }

    #[test]
    fn the_histogram_of_throughput_has_whole_seconds_and_empty_ones() {
        let busy = vec![(100, 70_000), (105, 5), (125, 9), (131, 1)];
        let summary = Summary { busy, ..Summary::of(&History::default()) };
        let each_second = summary.throughput(10);
        assert_eq!((each_second.len(), each_second.min()), (3, 0));
        assert!((70_000..70_100).contains(&each_second.max()));
        assert_eq!((summary.throughput(1).len(), summary.throughput(1).count_at(0)), (32, 28));
    }

    #[test]
    fn rates_count_the_seconds_in_which_nothing_came() {
        assert_eq!(rate(&[]), Rate::default());
        assert_eq!(rate(&[(77, 7)]), Rate { mean: 70.0, median: 70.0, max: 70.0 });
        // A hundred, a second of nothing, two hundred, and a part of a second.
        let mut busy: Vec<_> = (0..10).map(|i| (1000 + i, 10)).collect();
        busy.extend((20..30).map(|i| (1000 + i, 20)));
        busy.extend((30..33).map(|i| (1000 + i, 5)));
        let found = rate(&busy);
        assert_eq!((found.median, found.max), (100.0, 200.0));
        assert!((found.mean - 315.0 / 3.3).abs() < 1e-9);
        // Years of nothing cost nothing.
        assert_eq!(rate(&[(10, 1), (10_000_000_010, 1)]).median, 0.0);
    }
}
