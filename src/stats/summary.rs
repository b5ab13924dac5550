//! Summarizes a run in a few numbers.
use hdrhistogram::Histogram;
use serde::Serialize;

use super::counter::Counter;
use super::history::History;
use super::metric::Metric;
use super::tenth_span::TenthSpan;

/// Messages per second over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MessageRate {
    /// The number of messages divided by the time from the first to the last tenth of a second with
    /// messages.
    pub mean: f64,
    /// The median over the seconds of [`RunSummary::throughput`]; without any, the mean.
    pub median: f64,
    /// The maximum in one second of the clock, even a partial one; or the mean, if that is higher.
    pub max: f64,
}

/// Percentiles of a histogram, in its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The number of recorded values. If it is 0, all others are 0, too.
    pub count: u64,
    /// The arithmetic mean, within 1%.
    pub mean: f64,
    /// The 50th percentile. All percentiles are within 1%.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p99_9: u64,
    /// The 99.99th percentile.
    pub p99_99: u64,
    /// The highest value, within 1%.
    pub max: u64,
}

/// Sums over a run. docs/stats-format.md defines each counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RunTotals {
    /// Accepted messages.
    pub messages: u64,
    /// Forward-paths of the accepted messages.
    pub recipients: u64,
    /// Size of the accepted messages in octets (RFC 1870).
    pub bytes: u64,
    /// Accepted connections that are sessions. Those turned away, denied, or refused for a PROXY
    /// header are counted below.
    pub connections: u64,
    /// Connections greeted with 421; not among the connections above.
    pub turned_away: u64,
    /// Connections that the sink ended with 421.
    pub dismissed: u64,
    /// Messages refused at the end of data.
    pub refused: u64,
    /// Connections of clients that their listener does not serve; not among the connections above.
    pub denied: u64,
    /// Connections whose client a PROXY header named.
    pub proxied: u64,
    /// Connections that a proxy made for itself; those without mail are not among the connections
    /// above.
    pub health_checks: u64,
    /// Connections closed without a reply: the PROXY header was missing or invalid, or the network
    /// not trusted.
    pub proxy_refused: u64,
    /// PROXY headers that arrived at a listener that expects none.
    pub proxy_unexpected: u64,
    /// Clients that were named by XCLIENT and greeted.
    pub xclient: u64,
    /// XCLIENT commands that were refused: not allowed, malformed, or in a transaction.
    pub xclient_refused: u64,
    /// TLS handshakes that were completed, by STARTTLS or from the first byte.
    pub tls_handshakes: u64,
    /// Completed handshakes that resumed an earlier TLS session.
    pub tls_resumed: u64,
    /// TLS failures, in handshakes and later.
    pub tls_failed: u64,
}

/// Sessions still open at the end of the span; figures per session exclude them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenSessions {
    /// The number of these sessions.
    pub sessions: u64,
    /// Messages accepted in these sessions so far; `None` if unknown, because some began before the
    /// span, or some ended unnoticed when sinkd was killed.
    pub messages: Option<u64>,
}

/// A share of each second in which an event loop was busy: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BusyShare {
    /// The median of the seconds.
    pub median: f64,
    /// The busiest second.
    pub max: f64,
}

/// A run in a few numbers, computed from its seconds.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// Sums over all seconds, also those without messages.
    pub totals: RunTotals,
    /// From the first to the last tenth of a second with messages; `None` without messages.
    pub span: Option<TenthSpan>,
    /// The rate of accepted messages, over the span from the first to the last of them.
    pub rate: MessageRate,
    /// The busy share of the busiest loop.
    pub busy_share: BusyShare,
    /// Tenths with messages, and their counts.
    busy: Vec<(u64, u64)>,
}

impl Percentiles {
    /// Returns the percentiles of a histogram. Costs one pass over it.
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

    /// Returns the percentiles of a metric; all 0 where nothing was recorded.
    pub fn of_metric(history: &History, metric: Metric) -> Percentiles {
        history.histogram(metric).map(Percentiles::of).unwrap_or_default()
    }
}

impl RunSummary {
    /// Computes the summary of a run.
    pub fn of(history: &History) -> RunSummary {
        let totals = RunTotals {
            messages: history.total(Counter::Messages),
            recipients: history.total(Counter::MessageRecipients),
            bytes: history.total(Counter::MessageBytes),
            connections: history.total(Counter::Connections),
            turned_away: history.total(Counter::TurnedAway),
            dismissed: history.total(Counter::Dismissed),
            refused: history.total(Counter::Refused),
            denied: history.total(Counter::Denied),
            proxied: history.total(Counter::Proxied),
            health_checks: history.total(Counter::HealthChecks),
            proxy_refused: history.total(Counter::ProxyRefused),
            proxy_unexpected: history.total(Counter::ProxyUnexpected),
            xclient: history.total(Counter::Xclient),
            xclient_refused: history.total(Counter::XclientRefused),
            tls_handshakes: history.total(Counter::TlsHandshakes),
            tls_resumed: history.total(Counter::TlsResumed),
            tls_failed: Counter::TLS_FAILED
                .iter()
                .map(|(_, counter)| history.total(*counter))
                .sum(),
        };
        let busy = busy_tenths(history);
        let (span, rate) = (span_of(&busy), MessageRate::of(&busy));
        RunSummary { totals, span, rate, busy_share: busy_share(history), busy }
    }

    /// Returns the time from the first to the last message, in seconds.
    pub fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |span| span.count() as f64 / 10.0)
    }

    /// Returns a histogram of the messages per window, which shows stutter that a mean hides. Exact
    /// up to 262,143 messages per window, and within 0.001% above.
    ///
    /// `MessageWindow::Second` has the seconds of the clock that lie entirely in the span, and a
    /// partial first or last one only if it has more messages than any of these.
    /// `MessageWindow::Tenth` has all tenths of a second from the first to the last with messages.
    pub fn throughput(&self, window: MessageWindow) -> Histogram<u64> {
        let MessageWindows { count, busy } = match window {
            MessageWindow::Second => MessageWindows::seconds(&self.busy),
            MessageWindow::Tenth => MessageWindows::tenths(&self.busy),
        };
        let most = busy.iter().copied().max().unwrap_or(0).max(2);
        let mut histogram =
            Histogram::new_with_max(most, 5).expect("a bound and five digits are allowed");
        histogram.saturating_record_n(0, count - busy.len() as u64);
        busy.iter().for_each(|n| histogram.saturating_record(*n));
        histogram
    }

    /// Returns the messages over time in at most `columns_max` columns of equal length, and that
    /// length in tenths of a second. Columns of a second or more start with a second of the clock,
    /// so the first and the last may be partial.
    pub fn course(&self, columns_max: u64) -> (Vec<u64>, u64) {
        let Some(TenthSpan { first, last }) = self.span else { return (Vec::new(), 1) };
        let count = |step: u64| last / step - first / step + 1;
        let steps = (0..18).flat_map(|n| [1, 2, 5].map(|digit| digit * 10_u64.pow(n)));
        let step = steps.into_iter().find(|step| count(*step) <= columns_max).unwrap_or(u64::MAX);
        let mut sums = vec![0; count(step) as usize];
        for (tenth, n) in &self.busy {
            sums[(tenth / step - first / step) as usize] += n;
        }
        (sums, step)
    }
}

/// The length of the windows in which messages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageWindow {
    /// A second of Unix time.
    Second,
    /// A tenth of a second of Unix time.
    Tenth,
}

/// Messages in windows of equal length.
#[derive(Debug)]
struct MessageWindows {
    /// The number of windows, with and without messages.
    count: u64,
    /// The messages of each window that has any.
    busy: Vec<u64>,
}

impl MessageWindows {
    fn tenths(busy: &[(u64, u64)]) -> MessageWindows {
        let count = span_of(busy).map_or(0, TenthSpan::count);
        MessageWindows { count, busy: busy.iter().map(|(_, n)| *n).collect() }
    }

    /// Returns the windows that [`RunSummary::throughput`] describes for seconds.
    fn seconds(busy: &[(u64, u64)]) -> MessageWindows {
        let Some(TenthSpan { first, last }) = span_of(busy) else {
            return MessageWindows { count: 0, busy: Vec::new() };
        };
        let whole = first.div_ceil(10)..(last + 1) / 10;
        let (inside, cut): (Vec<_>, Vec<_>) =
            sums(busy).into_iter().partition(|(second, _)| whole.contains(second));
        let mut count = whole.end.saturating_sub(whole.start);
        let mut inside: Vec<u64> = inside.into_iter().map(|(_, n)| n).collect();
        if count == 0 {
            return MessageWindows { count, busy: inside };
        }
        let most = inside.iter().copied().max().unwrap_or(0);
        for (_, n) in cut.into_iter().filter(|(_, n)| *n > most) {
            inside.push(n);
            count += 1;
        }
        MessageWindows { count, busy: inside }
    }

    fn median(&self) -> f64 {
        let mut sorted = self.busy.clone();
        sorted.sort_unstable();
        let empty = self.count - sorted.len() as u64;
        let at = |i: u64| i.checked_sub(empty).map_or(0, |i| sorted[i as usize]);
        (at((self.count - 1) / 2) + at(self.count / 2)) as f64 / 2.0
    }
}

/// Returns the span of the tenths in `busy`.
fn span_of(busy: &[(u64, u64)]) -> Option<TenthSpan> {
    let ((first, _), (last, _)) = busy.first().zip(busy.last())?;
    Some(TenthSpan { first: *first, last: *last })
}

/// Returns the messages of each second of the clock that has any.
fn sums(busy: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut sums: Vec<(u64, u64)> = Vec::new();
    for (tenth, n) in busy {
        match sums.last_mut().filter(|(second, _)| *second == tenth / 10) {
            Some((_, sum)) => *sum += n,
            None => sums.push((tenth / 10, *n)),
        }
    }
    sums
}

impl MessageRate {
    fn of(busy: &[(u64, u64)]) -> MessageRate {
        let Some(span) = span_of(busy) else { return MessageRate::default() };
        let messages: u64 = busy.iter().map(|(_, n)| n).sum();
        let mean = messages as f64 * 10.0 / span.count() as f64;
        let max = sums(busy).iter().map(|(_, n)| *n as f64).fold(mean, f64::max);
        let seconds = MessageWindows::seconds(busy);
        // Without a whole second, the run has a single figure.
        let median = if seconds.count == 0 { mean } else { seconds.median() };
        MessageRate { mean, median, max }
    }
}

impl OpenSessions {
    /// Computes the messages of the sessions still open from the difference of counters. `sessions`
    /// is the number of sessions open at the end of `history`.
    pub fn of(history: &History, sessions: u64) -> OpenSessions {
        let total = |counter| history.total(counter);
        let without_end = total(Counter::Connections).checked_sub(total(Counter::Closed));
        let had = total(Counter::Messages).checked_sub(total(Counter::ClosedMessages));
        // Older versions did not count the messages of sessions that ended.
        let is_counted = Percentiles::of_metric(history, Metric::SessionMessages).max == 0
            || total(Counter::ClosedMessages) > 0;
        let messages = had.filter(|_| without_end == Some(sessions) && is_counted);
        OpenSessions { sessions, messages }
    }
}

/// Returns the median and the maximum busy share of the busiest loop over the seconds with
/// messages. The first and the last are usually partial, and are left out if there are others.
fn busy_share(history: &History) -> BusyShare {
    let shares: Vec<u64> = history.busy_seconds().map(|(_, second)| second.busiest_us).collect();
    let mut shares = match &shares[..] {
        [_, whole @ .., _] if !whole.is_empty() => whole.to_vec(),
        few => few.to_vec(),
    };
    shares.sort_unstable();
    let of = |us: Option<&u64>| us.map_or(0.0, |us| *us as f64 / 1e6);
    BusyShare { median: of(shares.get(shares.len() / 2)), max: of(shares.last()) }
}

/// Returns the tenths of a second with messages (Unix time), ascending, with their counts.
fn busy_tenths(history: &History) -> Vec<(u64, u64)> {
    let busy = history.seconds.iter().flat_map(|(second, counts)| {
        let tenths = counts.tenths.iter().enumerate().filter(|(_, n)| **n > 0);
        tenths.map(move |(i, n)| (second * 10 + i as u64, *n))
    });
    busy.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_of_throughput_has_whole_seconds_and_empty_ones() {
        let busy = vec![(100, 70_000), (105, 5), (125, 9), (131, 1)];
        let summary = RunSummary { busy, ..RunSummary::of(&History::default()) };
        let each_second = summary.throughput(MessageWindow::Second);
        assert_eq!((each_second.len(), each_second.min()), (3, 0));
        assert_eq!(each_second.max(), 70_005);
        let tenths = summary.throughput(MessageWindow::Tenth);
        assert_eq!((tenths.len(), tenths.count_at(0)), (32, 28));
    }

    fn summary(busy: Vec<(u64, u64)>) -> RunSummary {
        let (span, rate) = (span_of(&busy), MessageRate::of(&busy));
        RunSummary { busy, span, rate, ..RunSummary::of(&History::default()) }
    }

    #[test]
    fn the_highest_second_is_the_same_wherever_it_is_asked_for() {
        // The run begins at tenth 5 of a second. The partial second has the most messages; windows
        // counted from the first message would miss that.
        let mut busy = vec![(1005, 500), (1009, 278), (1015, 771), (1025, 700), (1035, 771)];
        busy.extend([(1045, 600), (1051, 1)]);
        let found = summary(busy);
        assert_eq!(found.rate.max, 778.0);
        assert_eq!(found.throughput(MessageWindow::Second).max(), 778);
        assert_eq!(found.throughput(MessageWindow::Second).len(), 5, "four and a cut one");
        assert_eq!(found.rate.median, 771.0);
        // Rates of four digits.
        let busy = (0..50).map(|i| (1000 + i, 5165 / 10 + u64::from(i % 10 < 5))).collect();
        let found = summary(busy);
        assert_eq!(found.rate.max, found.throughput(MessageWindow::Second).max() as f64);
    }

    #[test]
    fn no_rate_is_above_the_highest_one() {
        for busy in [
            // A burst at the end of a second, and a nearly empty second.
            vec![(1009, 500), (1010, 1), (1019, 1), (1020, 500)],
            vec![(1000, 1)],
            vec![(1008, 900), (1011, 1)],
            vec![(1001, 3), (1099, 4)],
        ] {
            let found = summary(busy.clone());
            let MessageRate { mean, median, max } = found.rate;
            assert!(mean <= max && median <= max, "{busy:?}: {:?}", found.rate);
            let messages: u64 = busy.iter().map(|(_, n)| n).sum();
            assert!((mean * found.seconds() - messages as f64).abs() < 1e-6);
            assert!(found.throughput(MessageWindow::Second).max() as f64 <= max);
        }
    }

    #[test]
    fn a_course_has_few_columns_and_all_messages() {
        let busy: Vec<_> = (0..730).map(|i| (1003 + i, 7)).collect();
        let found = summary(busy);
        for (columns_max, step) in [(1000, 1), (730, 1), (400, 2), (75, 10), (60, 20), (1, 1000)] {
            let (sums, length) = found.course(columns_max);
            assert_eq!(length, step, "{columns_max}");
            assert!(sums.len() as u64 <= columns_max);
            assert_eq!(sums.iter().sum::<u64>(), 7 * 730);
            assert!(sums.iter().all(|sum| *sum <= 7 * step), "{sums:?}");
        }
        // Silence has columns, too.
        let (sums, length) = summary(vec![(1000, 5), (1100, 5)]).course(11);
        assert_eq!((sums.len(), length, sums[5]), (11, 10, 0));
        assert_eq!(summary(Vec::new()).course(9).0.len(), 0);
        assert_eq!(summary(vec![(10, 1), (10_000_000_010, 1)]).course(50).0.len(), 21);
    }

    #[test]
    fn what_open_sessions_have_had_is_said_only_where_it_is_known() {
        let history = |line: &str| {
            let mut history = History::default();
            let line = format!(r#"{{"second":7,"counters":{line},"replies":{{}},"busiest_us":0}}"#);
            let counts = super::super::Second::of_line(&line).unwrap();
            history.add_second(7, &counts, []);
            history
        };
        let all = history(r#"{"messages":50,"connections":5,"closed":2,"closed_messages":20}"#);
        assert_eq!(OpenSessions::of(&all, 3).messages, Some(30));
        // One of the sessions began before the span.
        assert_eq!(OpenSessions::of(&all, 4).messages, None);
        let killed = history(r#"{"messages":50,"connections":5,"closed":2}"#);
        assert_eq!(OpenSessions::of(&killed, 0).messages, None);
    }

    #[test]
    fn rates_count_the_seconds_in_which_nothing_came() {
        assert_eq!(MessageRate::of(&[]), MessageRate::default());
        assert_eq!(
            MessageRate::of(&[(77, 7)]),
            MessageRate { mean: 70.0, median: 70.0, max: 70.0 }
        );
        // A second of 100, an empty one, one of 200, and a part of a second.
        let mut busy: Vec<_> = (0..10).map(|i| (1000 + i, 10)).collect();
        busy.extend((20..30).map(|i| (1000 + i, 20)));
        busy.extend((30..33).map(|i| (1000 + i, 5)));
        let found = MessageRate::of(&busy);
        assert_eq!((found.median, found.max), (100.0, 200.0));
        assert!((found.mean - 315.0 / 3.3).abs() < 1e-9);
        // Years of silence cost nothing.
        assert_eq!(MessageRate::of(&[(10, 1), (10_000_000_010, 1)]).median, 0.0);
    }
}
