//! Divides the time of a run's connections into shares of sender, network and sink.
//!
//! Workers add up what each connection spends its time on (`server/time_spent/`);
//! TCP_INFO has the round trip times. Only the seconds from the first to the last message count.
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::stats::metrics::{Counter, Metric};
use crate::stats::reading::{History, Percentiles, RunSummary, Second, TenthSpan};

/// A sender that answers within this time works as fast as one connection allows: reading a reply
/// and writing a command takes two system calls and two wake-ups, 5 to 50 µs. A slower sender does
/// something else in between.
const PROMPT_US: f64 = 100.0;
/// On machines with slower system calls and wake-ups, the sink's own answers are slower, too, so
/// this multiple of their median also counts as prompt. Senders in C were seen at 3, in Python at 4
/// to 5.
const PROMPT_ANSWERS: f64 = 6.0;
/// A connection that is silent for longer outside of transactions is idle, and its time does not
/// count; the workers use the same limit (`server/time_spent/`).
const IDLE_US: u64 = 100_000;
/// Payload from another machine that arrives faster than this, in octets per second over all
/// connections, is not limited by a network: 10 Gbit/s. On the same machine there is no network.
const FAST_BYTES_PER_S: f64 = 1.25e9;
/// Share of out-of-order segments that indicates losses.
const LOSSY_SHARE: f64 = 0.001;
/// The earliest time after which TCP retransmits a lone segment (Linux; RFC 6298 asks for 1 s).
const RETRANSMIT_US: u64 = 200_000;
/// Linux acknowledges a lone segment after at most 40 ms, and wakes up to 4 ms late. Pauses of this
/// length (in ms) within a payload or a command are caused by Nagle's algorithm in the sender (RFC
/// 9293 section 3.7.4), which holds back the rest until the acknowledgement.
const DELAYED_ACK_MS: std::ops::RangeInclusive<u64> = 38..=48;
/// With a longer round trip, such pauses have another cause.
const DELAYED_ACK_RTT_US: u64 = 10_000;

/// The time in which payload arrived, in µs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PayloadTime {
    /// A network limited it.
    pub network_us: f64,
    /// Its sender limited it.
    pub sender_us: f64,
}

/// Shares of the connections' time, as parts of 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Shares {
    /// The sender's own time, and time without a connection in use.
    pub sender: f64,
    /// Round trips, and payload in transit.
    pub network: f64,
    /// Waiting for the sink, including flushes.
    pub sink: f64,
}

/// Sums over all connections, in µs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    pub messages: u64,
    /// The number of whole seconds strictly between those of the first and the last message.
    pub whole_seconds: u64,
    /// The number of accepted connections, and of those turned away.
    pub connections: u64,
    pub turned_away: u64,
    /// The time in which clients waited for the sink.
    pub sink_us: f64,
    /// The part of `sink_us` in which payload waited for room in the log.
    pub storage_us: f64,
    /// The part of `sink_us` in which messages waited to be committed.
    pub commit_us: f64,
    /// The part of `sink_us` in which the loops waited for a processor.
    pub starved_us: f64,
    /// The part of `sink_us` in which the loops were serving clients, but had no processor.
    pub slowed_us: f64,
    /// The sender's time without round trips.
    pub sender_us: f64,
    /// The part of `sender_us` in answers that were not prompt. It overlaps with `between_us`, and
    /// contains `unread_us`.
    pub slow_us: f64,
    /// The part of `sender_us` between transactions.
    pub between_us: f64,
    /// The part of `sender_us` in which the sender did not read replies.
    pub unread_us: f64,
    /// Round trips, and answers delayed by a loss.
    pub round_trips_us: f64,
    /// Answers delayed by a loss.
    pub losses_us: f64,
    /// Payload in transit from this machine.
    pub transfer_local_us: f64,
    /// Payload in transit from another machine.
    pub transfer_us: f64,
    /// Pauses of clients within commands and payloads, of 20 ms or more.
    pub pauses_us: f64,
    /// Usual length of these pauses in µs, if it is typical of delayed acknowledgements.
    pub delayed_ack_us: Option<u64>,
    /// Part of the run in which no connection was in use: there was none, or all were idle.
    pub quiet_share: f64,
    /// Time in which connections were in use, in µs.
    pub active_us: f64,
    pub span_us: f64,
    pub exchanges: f64,
    pub bytes_per_s: f64,
    pub rtt_us: u64,
    pub is_lossy: bool,
}

impl Budget {
    /// Divides the time of all connections between sender, network and sink, from the second of the
    /// first message to the second of the last message. All sums are 0 without messages.
    ///
    /// Workers measure three times of each connection: waiting for the sink, think time (the sink
    /// waits for a command, or until replies are read) and transfer time (payload arrives). From
    /// them follow:
    ///
    /// - The sink's time: the waiting, and the time in which the loops had no processor. Workers
    ///   cannot see the latter. It is part of the measured think and transfer times, so it is
    ///   subtracted from both in proportion.
    /// - The network's time: of the think time, a median round trip for each exchange, and the
    ///   share of slow answers that the number of lost segments explains.
    /// - The sender's time: the rest of the think time. Time in which it did not read replies is
    ///   always its own.
    /// - The transfer time, from this machine and from others; [`Budget::payload_time`] divides it
    ///   between network and sender.
    pub fn of(history: &History, summary: &RunSummary) -> Budget {
        let Some(span) = summary.span else { return Budget::default() };
        let (first_second, last_second) = span.seconds();
        let seconds: Vec<&Second> =
            history.seconds.range(first_second..=last_second).map(|(_, second)| second).collect();
        let total = |counter: Counter| -> f64 {
            seconds.iter().map(|second| second.counter(counter) as f64).sum()
        };
        let rtt_us = Percentiles::of_metric(history, Metric::RttMin).p50;
        let (think_us, transferring_us) = (total(Counter::ThinkUs), total(Counter::TransferUs));
        // Time in which the loops had no processor is subtracted from both, in proportion.
        let waited_us = think_us + transferring_us;
        let starved_us = total(Counter::StarvedUs).min(waited_us);
        let ours = if waited_us > 0.0 { 1.0 - starved_us / waited_us } else { 1.0 };
        let exchanges = total(Counter::Exchanges);
        let (think_us, transferring_us) = (think_us * ours, transferring_us * ours);
        // With pipelining, not every answer includes a round trip.
        let nearest_us = exchanges * rtt_us as f64;
        let answers = Answers::of(history, rtt_us);
        let unread_us = total(Counter::UnreadUs).min(total(Counter::ThinkUs)) * ours;
        let losses = total(Counter::Retransmits) + total(Counter::OutOfOrder);
        let losses_us = (think_us - unread_us) * answers.lost_share(losses);
        let round_trips_us = (nearest_us + losses_us).min(think_us - unread_us);
        let sender_us = think_us - round_trips_us;
        let transfer_local_us =
            total(Counter::LocalTransferUs).min(total(Counter::TransferUs)) * ours;
        let pauses = Percentiles::of_metric(history, Metric::Pause);
        Budget {
            messages: summary.totals.messages,
            whole_seconds: (last_second - first_second).saturating_sub(1),
            connections: history.total(Counter::Connections),
            turned_away: history.total(Counter::TurnedAway),
            sink_us: total(Counter::SinkUs) + starved_us,
            storage_us: total(Counter::StorageUs),
            commit_us: total(Counter::CommitUs),
            starved_us,
            slowed_us: total(Counter::SlowedUs),
            sender_us,
            slow_us: unread_us + (sender_us - unread_us) * answers.slow_share(),
            between_us: (total(Counter::BetweenUs) * ours).min(sender_us),
            unread_us,
            round_trips_us,
            losses_us,
            transfer_local_us,
            transfer_us: transferring_us - transfer_local_us,
            pauses_us: pauses.mean * pauses.count as f64,
            delayed_ack_us: delayed_ack(history, rtt_us),
            quiet_share: quiet_share(&seconds, span),
            active_us: total(Counter::ActiveUs),
            span_us: span.us() as f64,
            exchanges,
            bytes_per_s: total(Counter::MessageBytes) / (seconds.len().max(1) as f64),
            rtt_us,
            is_lossy: losses > LOSSY_SHARE * total(Counter::SegmentsIn),
        }
    }

    /// Returns the time of all connections except idle ones.
    pub fn connected_us(&self) -> f64 {
        let transfers_us = self.transfer_local_us + self.transfer_us;
        self.sink_us + self.sender_us + self.round_trips_us + transfers_us
    }

    /// Returns the average number of connections in use. The first and the last second are partial,
    /// and connections may be active longer than the span of the messages.
    pub fn connections_in_use(&self) -> f64 {
        let span_us = self.span_us.max(self.active_us);
        if span_us > 0.0 { self.connected_us() / span_us } else { 0.0 }
    }

    /// Returns `us` as a share of the run: of the time of all connections while any was in use.
    pub fn share(&self, us: f64) -> f64 {
        let total = self.connected_us();
        if total > 0.0 { (1.0 - self.quiet_share) * us / total } else { 0.0 }
    }

    /// Returns the time in which payload arrived, by what limited it.
    pub fn payload_time(&self) -> PayloadTime {
        let (network_us, sender_us) = if self.bytes_per_s >= FAST_BYTES_PER_S {
            (0.0, self.transfer_us + self.transfer_local_us)
        } else {
            (self.transfer_us, self.transfer_local_us)
        };
        PayloadTime { network_us, sender_us }
    }

    pub fn shares(&self) -> Shares {
        let payload = self.payload_time();
        Shares {
            sender: self.share(self.sender_us + payload.sender_us) + self.quiet_share,
            network: self.share(self.round_trips_us + payload.network_us),
            sink: self.share(self.sink_us),
        }
    }

    /// Returns the sender's own time per answer, in µs.
    pub fn answer_us(&self) -> f64 {
        if self.exchanges > 0.0 { self.sender_us / self.exchanges } else { 0.0 }
    }
}

/// Returns the part of the span, between the tenths of the first and the last message, in which no
/// connection was in use.
fn quiet_share(seconds: &[&Second], span: TenthSpan) -> f64 {
    // Sinks of a fleet may have been active at the same time or one after another; that is unknown.
    let active_us = |second: &&Second| second.counter(Counter::ActiveUs).min(1_000_000);
    let active_us: u64 = seconds.iter().map(active_us).sum();
    // The tenths of the first and the last message may be full of messages or nearly empty. Older
    // versions of sinkd did not record the time in use.
    let span_us = span.inner_us();
    if active_us == 0 || span_us == 0 {
        return 0.0;
    }
    span_us.saturating_sub(active_us) as f64 / span_us as f64
}

/// Answers of clients, by duration, in µs.
#[derive(Debug, Default)]
struct Answers {
    /// The sender's own time, in all answers and in those that were not prompt.
    own_us: f64,
    slow_us: f64,
    /// The total time, of all answers and of those slow enough to include a retransmission.
    us: f64,
    late_us: f64,
    /// The number of answers that may include a retransmission.
    late: f64,
}

impl Answers {
    fn of(history: &History, rtt_us: u64) -> Answers {
        let command_us = Percentiles::of_metric(history, Metric::ServiceCommand).p50 as f64;
        let prompt_us = PROMPT_US.max(PROMPT_ANSWERS * command_us) as u64 + rtt_us;
        let mut answers = Answers::default();
        // If the sender keeps a pool, a connection is idle before it closes.
        for metric in Metric::THINK.into_iter().filter(|metric| *metric != Metric::ThinkClose) {
            let Some(histogram) = history.histogram(metric) else { continue };
            // As in the workers, a connection without a transaction becomes idle after a while.
            let max_us = if is_outside_transactions(metric) { IDLE_US } else { u64::MAX };
            for value in histogram.iter_recorded() {
                let (us, count) = (value.value_iterated_to().min(max_us), value.count_at_value());
                answers.add(us, count as f64, rtt_us, prompt_us);
            }
        }
        answers
    }

    fn add(&mut self, us: u64, count: f64, rtt_us: u64, prompt_us: u64) {
        let own_us = us.saturating_sub(rtt_us) as f64 * count;
        self.own_us += own_us;
        self.us += us as f64 * count;
        if us > prompt_us {
            self.slow_us += own_us;
        }
        if us >= RETRANSMIT_US {
            self.late_us += us as f64 * count;
            self.late += count;
        }
    }

    /// Returns the share of the sender's time spent on answers that were not prompt.
    fn slow_share(&self) -> f64 {
        if self.own_us > 0.0 { self.slow_us / self.own_us } else { 0.0 }
    }

    /// Returns the share of answer time spent on answers that needed a TCP retransmission, given
    /// `losses`.
    fn lost_share(&self, losses: f64) -> f64 {
        if self.late == 0.0 {
            return 0.0;
        }
        // Of lone segments, the kernel reports only losses of those that the sink sent. A client's
        // are assumed to be lost as often.
        let lost = (2.0 * losses / self.late).min(1.0);
        lost * self.late_us / self.us
    }
}

fn is_outside_transactions(metric: Metric) -> bool {
    matches!(metric, Metric::ThinkEhlo | Metric::ThinkMail | Metric::ThinkNext)
}

/// Returns the usual pause of clients in µs, if it is caused by delayed acknowledgements.
fn delayed_ack(history: &History, rtt_us: u64) -> Option<u64> {
    let pauses: &Histogram<u64> = history.histogram(Metric::Pause)?;
    let is_delayed = |us: u64| DELAYED_ACK_MS.contains(&(us / 1000));
    let [low, median] = [0.1, 0.5].map(|quantile| pauses.value_at_quantile(quantile));
    (rtt_us < DELAYED_ACK_RTT_US && is_delayed(low) && is_delayed(median)).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(history: &mut History, second: u64, tenths: [u32; 10], counters: &str) {
        let messages: u32 = tenths.iter().sum();
        let counters = format!(r#""counters":{{"messages":{messages},{counters}}}"#);
        let line =
            format!(r#"{{"second":{second},{counters},"tenths":{tenths:?},"replies":{{}}}}"#);
        history.add_second(second, &Second::of_line(&line).unwrap(), []);
    }

    fn budget(history: &History) -> Budget {
        Budget::of(history, &RunSummary::of(history))
    }

    #[test]
    fn seconds_before_the_first_message_and_after_the_last_do_not_count() {
        let mut history = History::default();
        second(&mut history, 9, [0; 10], r#""think_us":8000000,"active_us":1000000"#);
        second(&mut history, 10, [1; 10], r#""think_us":500000,"active_us":1000000"#);
        second(&mut history, 11, [1; 10], r#""sink_us":250000,"active_us":1000000"#);
        second(&mut history, 40, [0; 10], r#""think_us":9000000,"active_us":1000000"#);
        let found = budget(&history);
        assert_eq!((found.connected_us(), found.span_us), (750_000.0, 2e6));
        assert_eq!((found.connections_in_use(), found.quiet_share), (0.375, 0.0));
    }

    #[test]
    fn a_pause_between_two_campaigns_is_quiet() {
        let mut history = History::default();
        second(&mut history, 10, [1; 10], r#""think_us":500000,"active_us":1000000"#);
        second(&mut history, 49, [1; 10], r#""think_us":500000,"active_us":1000000"#);
        let found = budget(&history);
        assert!((found.quiet_share - 38.0 / 40.0).abs() < 0.01, "{}", found.quiet_share);
        assert_eq!(found.connected_us(), 1e6, "nothing of it is a connection's");
    }

    #[test]
    fn what_an_old_sinkd_did_not_record_is_not_taken_for_silence() {
        let mut history = History::default();
        second(&mut history, 10, [1; 10], r#""think_us":500000"#);
        second(&mut history, 49, [1; 10], r#""think_us":500000"#);
        assert_eq!(budget(&history).quiet_share, 0.0);
    }

    #[test]
    fn time_without_a_processor_moves_from_the_client_to_the_sink() {
        let mut history = History::default();
        let counters = r#""think_us":600000,"transferring_us":200000,"starved_us":400000"#;
        second(&mut history, 10, [1; 10], counters);
        let found = budget(&history);
        assert_eq!((found.sink_us, found.sender_us, found.transfer_us), (4e5, 3e5, 1e5));
        assert_eq!(found.connected_us(), 8e5);
    }

    #[test]
    fn answers_weigh_by_the_time_that_they_took() {
        let mut history = History::default();
        let mut data = Metric::ThinkData.histogram();
        data.record_n(50, 90_000).unwrap();
        data.record_n(45_000, 100).unwrap();
        // A connection that was idle for an hour counts only up to the limit of the workers.
        let mut idle = Metric::ThinkNext.histogram();
        idle.record(3_600_000_000).unwrap();
        let counters = r#""counters":{"messages":1},"tenths":[1,0,0,0,0,0,0,0,0,0]"#;
        let line = &format!(r#"{{"second":10,{counters},"replies":{{}}}}"#);
        let counts = Second::of_line(line).unwrap();
        let metrics = [
            (&Metric::ThinkData, &data),
            (&Metric::ThinkNext, &idle),
            (&Metric::ThinkClose, &idle),
        ];
        history.add_second(10, &counts, metrics);
        let slow = Answers::of(&history, 0).slow_share();
        assert!((slow - 4.7 / 9.2).abs() < 0.01, "{slow}");
    }

    #[test]
    fn answers_after_a_loss_are_the_networks() {
        let mut history = History::default();
        let mut rcpt = Metric::ThinkRcpt.histogram();
        rcpt.record_n(2_000, 9_000).unwrap();
        rcpt.record_n(204_000, 300).unwrap();
        let counters = r#""counters":{"messages":1},"tenths":[1,0,0,0,0,0,0,0,0,0]"#;
        let line = &format!(r#"{{"second":10,{counters},"replies":{{}}}}"#);
        history.add_second(10, &Second::of_line(line).unwrap(), [(&Metric::ThinkRcpt, &rcpt)]);
        let answers = Answers::of(&history, 2_000);
        let late = 61.2 / (61.2 + 18.0);
        assert!((answers.lost_share(200.0) - late).abs() < 0.01, "{answers:?}");
        assert!((answers.lost_share(75.0) - late / 2.0).abs() < 0.01, "half of them");
        assert_eq!(answers.lost_share(0.0), 0.0, "a sender that takes 200 ms");
    }

    #[test]
    fn pauses_of_forty_milliseconds_are_delayed_acknowledgements() {
        let of = |pauses: &[(u64, u64)], rtt_us| {
            let mut histogram = Metric::Pause.histogram();
            pauses.iter().for_each(|(us, n)| histogram.record_n(*us, *n).unwrap());
            let mut history = History::default();
            history.add_second(10, &Second::default(), [(&Metric::Pause, &histogram)]);
            delayed_ack(&history, rtt_us).is_some()
        };
        assert!(of(&[(40_000, 60), (43_000, 60), (90_000, 20)], 8));
        assert!(!of(&[(40_000, 60), (43_000, 60)], 12_000), "a network of 12 ms");
        assert!(!of(&[(25_000, 50), (43_000, 60)], 8), "a sender that sleeps now and then");
        assert!(!of(&[(51_000, 100)], 8) && !of(&[], 8));
    }
}
