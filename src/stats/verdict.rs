//! What limited a run, worked out from where the time of its connections went.
//!
//! A connection is always in one of four states: its client waits for us, we wait for its client
//! (a round trip of the network, then the sender's own time), or a payload is on its way. Workers
//! sum these up; TCP says how long a round trip takes. What is largest limited the run, unless the
//! sink was saturated: then every sender waits, whatever it could do.
//!
//! What it can't tell from here: commands that queue before a narrow link from a sender that takes
//! its time (the least round trip is short either way), and a payload that trickles from one that
//! comes over a narrow link. The first is said to be the sender, the second the network.
use serde::Serialize;

use super::calibration::Calibrated;
use super::history::{History, Second};
use super::metric::{Counter, Metric};
use super::summary::{Percentiles, Summary};

/// A loop that is busy for this share of its seconds is saturated: what is left is the time the
/// kernel takes to give it its events, and what else runs on its core.
const SATURATED_SHARE: f64 = 0.90;
/// Below this share of the time, nothing is said to have limited the run.
const LIMITING_SHARE: f64 = 0.45;
/// Round trips of a local network; longer ones are the network's doing.
const NEAR_RTT_US: u64 = 500;
/// A sender that takes no longer than this to answer works as fast as one connection lets it: to
/// read a reply and write a command are two system calls and being scheduled twice, 5 to 50 us.
/// Whatever takes longer does something else in between.
const PROMPT_US: f64 = 100.0;
/// On machines where system calls and being scheduled take longer, our own answers do as well: so
/// many times our median is prompt. Senders in C were seen at 3, in Python at 4 to 5.
const PROMPT_ANSWERS: f64 = 6.0;
/// Payload from another machine that comes faster than this, octets per second of all connections,
/// is not held up by a network: 10 Gbit/s. On this machine there is none.
const FAST_BYTES_PER_S: f64 = 1.25e9;
/// Share of segments out of order that tells of losses on the way.
const LOSSY_SHARE: f64 = 0.001;

/// What the sink has left is not worked out from fewer messages, or from fewer whole seconds.
const MESSAGES_MIN: u64 = 1000;
const WHOLE_SECONDS_MIN: usize = 5;
/// Nor from a loop that was hardly busy: what a message costs at full load is another thing.
const BUSY_SHARE_MIN: f64 = 0.20;

/// Round trips within a machine.
const LOCAL_RTT_US: u64 = 100;
/// Share of what was measured from which on the machine is at its ceiling.
const CEILING_SHARE: f64 = 0.9;

/// What limited a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitedBy {
    /// Its own work between our replies and its next commands, or before its payload.
    Sender,
    /// Round trips, bandwidth or losses.
    Network,
    /// It worked in lock-step on too few connections: everybody waited for somebody else.
    Connections,
    /// Us: an event loop that is always busy, or an accept queue that overflowed.
    Sink,
    /// Nothing stands out, or there is too little to tell.
    Undecided,
}

impl LimitedBy {
    /// All of them.
    pub const ALL: [LimitedBy; 5] = [
        LimitedBy::Sender,
        LimitedBy::Network,
        LimitedBy::Connections,
        LimitedBy::Sink,
        LimitedBy::Undecided,
    ];

    /// As in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            LimitedBy::Sender => "sender",
            LimitedBy::Network => "network",
            LimitedBy::Connections => "connections",
            LimitedBy::Sink => "sink",
            LimitedBy::Undecided => "undecided",
        }
    }
}

/// Where the time of the connections went, as shares of 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Senders' own time, and time in which no connection was open.
    pub sender: f64,
    /// Round trips, and payload on its way.
    pub network: f64,
    /// Waiting for us, flushes included.
    pub sink: f64,
}

/// What the sink had left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Headroom {
    /// Of the busiest event loop, median over the seconds of the run.
    pub busy_share: f64,
    /// Messages per second at which the busiest loop would have been busy all the time, by its
    /// whole seconds; null where there is too little to tell.
    pub messages_per_s: Option<f64>,
    /// Connections that found the accept queue full.
    pub accept_overflows: u64,
    /// Longest accept queue.
    pub accept_queue_max: u64,
    /// Times a payload waited for room in the log.
    pub storage_waits: u64,
    /// Our time for a message.
    pub service_message_us: Percentiles,
}

/// The verdict on a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    #[allow(missing_docs)]
    pub limited_by: LimitedBy,
    /// One sentence with the figures that show it.
    pub because: String,
    /// Of connection time.
    pub shares: Shares,
    /// Connections open on average.
    pub connections: f64,
    /// Median of the connections' least round trips, us.
    pub rtt_min_us: u64,
    /// What the sink had left.
    pub headroom: Headroom,
    /// Beside what was measured on this machine; null: nothing like it was.
    pub calibrated: Option<Calibrated>,
}

impl Verdict {
    /// True where our ceiling may be taken for the sender's.
    pub fn is_saturated(&self) -> bool {
        self.limited_by == LimitedBy::Sink
    }

    /// Of a run. Costs one pass over its seconds.
    pub fn of(history: &History, summary: &Summary) -> Verdict {
        let budget = Budget::of(history, summary);
        let headroom = Headroom::of(history, summary);
        let shares = budget.shares();
        let (limited_by, because) = match history.is_of_sender() {
            true => decide_for_sender(&budget, &headroom),
            false => decide(&budget, &headroom),
        };
        let seconds = summary.seconds();
        let connections = if seconds > 0.0 { budget.connected_us() / 1e6 / seconds } else { 0.0 };
        let rtt_min_us = budget.rtt_us;
        let calibrated = None;
        Verdict { limited_by, because, shares, connections, rtt_min_us, headroom, calibrated }
    }

    /// Puts the run beside what the machine was measured to be able to. Where sender and sink share
    /// it, they reach its ceiling together, and neither may be taken for slow.
    pub fn calibrate(&mut self, calibrated: Calibrated) {
        let Calibrated { load, messages_per_s, share } = &calibrated;
        let reached = percent(*share);
        let what = format!(
            "{reached} of the {messages_per_s:.0} messages/s that this machine reaches with such \
             mail ({load})"
        );
        let is_here = self.rtt_min_us <= LOCAL_RTT_US;
        if *share >= CEILING_SHARE && is_here && self.limited_by != LimitedBy::Network {
            self.limited_by = LimitedBy::Sink;
            self.because = format!("it reached {what}");
        } else {
            self.because = format!("{}; {what}", self.because);
        }
        self.calibrated = Some(calibrated);
    }
}

/// Sums over all connections, us.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    messages: u64,
    /// Accepted.
    connections: u64,
    sink_us: f64,
    /// Of that, waits for room in the log, and for flushes.
    storage_us: f64,
    flush_us: f64,
    /// Of senders alone: without round trips.
    sender_us: f64,
    round_trips_us: f64,
    /// Payload on its way, from this machine or from another.
    transfer_local_us: f64,
    transfer_us: f64,
    /// A lower bound of the time in which no connection was open.
    absent_us: f64,
    exchanges: f64,
    /// Our own time for a command, median.
    command_us: f64,
    bytes_per_s: f64,
    rtt_us: u64,
    is_lossy: bool,
}

impl Budget {
    fn of(history: &History, summary: &Summary) -> Budget {
        let total = |counter| history.total(counter) as f64;
        let rtt_us = Percentiles::of_metric(history, Metric::RttMin).p50;
        let exchanges = total(Counter::Exchanges);
        let think_us = total(Counter::ThinkUs);
        // A sender that pipelines has no round trip in each of its answers.
        let round_trips_us = (exchanges * rtt_us as f64).min(think_us);
        let transfer_local_us = total(Counter::LocalTransferUs);
        let commits = Percentiles::of_metric(history, Metric::CommitWait);
        let bytes = total(Counter::MessageBytes);
        let out_of_order = total(Counter::OutOfOrder) + total(Counter::Retransmits);
        Budget {
            messages: history.total(Counter::Messages),
            connections: history.total(Counter::Connections),
            sink_us: total(Counter::SinkUs),
            storage_us: total(Counter::StorageUs),
            flush_us: commits.mean * commits.count as f64,
            sender_us: think_us - round_trips_us,
            round_trips_us,
            transfer_local_us,
            transfer_us: total(Counter::TransferUs) - transfer_local_us,
            absent_us: absent_us(history, summary),
            exchanges,
            command_us: Percentiles::of_metric(history, Metric::ServiceCommand).p50 as f64,
            bytes_per_s: bytes / history.busy_seconds().count().max(1) as f64,
            rtt_us,
            is_lossy: out_of_order > LOSSY_SHARE * total(Counter::SegmentsIn),
        }
    }

    /// The time of all connections.
    fn connected_us(&self) -> f64 {
        let transfers_us = self.transfer_local_us + self.transfer_us;
        self.sink_us + self.sender_us + self.round_trips_us + transfers_us
    }

    /// Part of the time of all connections, and of the time without any.
    fn share(&self, us: f64) -> f64 {
        let total = self.connected_us() + self.absent_us;
        if total > 0.0 { us / total } else { 0.0 }
    }

    /// Payload that a network held up, and payload that its sender took so long to write, us.
    fn payload_us(&self) -> (f64, f64) {
        match self.bytes_per_s >= FAST_BYTES_PER_S {
            true => (0.0, self.transfer_us + self.transfer_local_us),
            false => (self.transfer_us, self.transfer_local_us),
        }
    }

    fn shares(&self) -> Shares {
        let (payload_network_us, payload_sender_us) = self.payload_us();
        Shares {
            sender: self.share(self.sender_us + payload_sender_us + self.absent_us),
            network: self.share(self.round_trips_us + payload_network_us),
            sink: self.share(self.sink_us),
        }
    }

    /// Whether the sender answers as fast as this machine lets anybody.
    fn is_prompt(&self) -> bool {
        self.answer_us() <= PROMPT_US.max(PROMPT_ANSWERS * self.command_us)
    }

    /// The sender's own time for an answer, us.
    fn answer_us(&self) -> f64 {
        if self.exchanges > 0.0 { self.sender_us / self.exchanges } else { 0.0 }
    }
}

/// For how long no connection was open between the first and the last message, us: a lower bound.
/// Sessions that ended may have begun before, and those that are open may have begun at any time.
fn absent_us(history: &History, summary: &Summary) -> f64 {
    if history.is_of_sender() {
        // A sender does not record where the time of its connections went.
        return 0.0;
    }
    // The tenths of the first and the last message may be full of messages, or nearly empty.
    let tenths = summary.span_tenths.map_or(0, |(first, last)| (last - first).saturating_sub(1));
    let span_us = tenths as f64 * 1e5;
    let ended = Percentiles::of_metric(history, Metric::Session);
    let begun = history.total(Counter::Connections).saturating_sub(history.total(Counter::Closed));
    let last = history.seconds.values().next_back();
    let open = begun.max(last.map_or(0, |second| second.open_connections)) as f64;
    (span_us - ended.mean * ended.count as f64 - open * span_us).max(0.0)
}

impl Headroom {
    fn of(history: &History, summary: &Summary) -> Headroom {
        // A round counts in the second of its end: one that began before makes it longer.
        let busy_share = summary.busy_share.0.min(1.0);
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

/// Messages by the time of the busiest loop, over the same seconds: all with messages but the first
/// and the last, which are rarely whole.
fn saturation_rate(history: &History) -> Option<f64> {
    let seconds: Vec<&Second> = history.busy_seconds().map(|(_, second)| second).collect();
    let [_, whole @ .., _] = &seconds[..] else { return None };
    let messages: u64 = whole.iter().map(|second| second.counter(Counter::Messages)).sum();
    let busy_us: u64 = whole.iter().map(|second| second.busiest_us).sum();
    let is_enough = whole.len() >= WHOLE_SECONDS_MIN && messages >= MESSAGES_MIN && busy_us > 0;
    (is_enough && !history.is_of_sender()).then(|| messages as f64 * 1e6 / busy_us as f64)
}

fn decide(budget: &Budget, headroom: &Headroom) -> (LimitedBy, String) {
    if budget.messages == 0 {
        return (LimitedBy::Undecided, "no message was recorded".into());
    }
    let shares = budget.shares();
    let own = percent(shares.sender);
    if let Some(why) = saturation(budget, headroom) {
        return (LimitedBy::Sink, why);
    }
    if let Some(why) = slow_network(budget, &shares) {
        return (LimitedBy::Network, why);
    }
    let absent = budget.share(budget.absent_us);
    if absent >= LIMITING_SHARE {
        let why = format!("{} of the time it had no connection open", percent(absent));
        return (LimitedBy::Sender, why);
    }
    let rate = budget.bytes_per_s / 1e6;
    let payload = budget.share(budget.payload_us().1);
    if payload >= LIMITING_SHARE {
        let share = percent(payload);
        let why = format!("{share} of the time it was writing payload, at {rate:.1} MB/s in all");
        return (LimitedBy::Sender, why);
    }
    let answer = time(budget.answer_us());
    if budget.is_prompt() || shares.sink >= LIMITING_SHARE {
        let busy = percent(headroom.busy_share);
        let why = format!(
            "the sender answered within {answer} and waited for its turn; our loops were busy \
             {busy} of the time: more connections would send more"
        );
        return (LimitedBy::Connections, why);
    }
    if shares.sender >= LIMITING_SHARE {
        let why = format!("{own} of the time we waited for it, {answer} for each answer");
        return (LimitedBy::Sender, why);
    }
    let (network, sink) = (percent(shares.network), percent(shares.sink));
    let why = format!("sender {own}, network {network}, sink {sink} of the time");
    (LimitedBy::Undecided, why)
}

/// From what a sender recorded: it knows whether it was the limit itself, and nothing of the sink.
fn decide_for_sender(budget: &Budget, headroom: &Headroom) -> (LimitedBy, String) {
    if budget.messages == 0 {
        return (LimitedBy::Undecided, "no message was taken".into());
    }
    let busy = percent(headroom.busy_share);
    if headroom.busy_share >= SATURATED_SHARE {
        let why = format!("its busiest thread was busy for {busy} of the time: it sends no faster");
        return (LimitedBy::Sender, why);
    }
    let why = format!(
        "this is what the sender saw, {busy} busy: what the target recorded tells the rest"
    );
    (LimitedBy::Undecided, why)
}

/// What shows that the sink was.
fn saturation(budget: &Budget, headroom: &Headroom) -> Option<String> {
    // The kernel counts for all listeners of the machine: a few among many are not ours to say.
    let n = headroom.accept_overflows;
    if n > 0 && n * 100 >= budget.connections {
        return Some(format!("{n} connections found the accept queue full"));
    }
    if headroom.busy_share >= SATURATED_SHARE {
        let busy = percent(headroom.busy_share);
        return Some(format!("its busiest loop was busy for {busy} of the time"));
    }
    // Clients wait for loops only while these are in rounds. Short runs show it here: their seconds
    // are few, and hardly one of them is whole.
    let served = budget.share(budget.sink_us - budget.storage_us - budget.flush_us);
    if served >= SATURATED_SHARE {
        return Some(format!("{} of the time clients waited for its loops", percent(served)));
    }
    // Flushes are shared by whoever waits, room in the log is not: more connections don't help.
    let storage = budget.share(budget.storage_us);
    (storage >= LIMITING_SHARE)
        .then(|| format!("{} of the time payload waited for room in its log", percent(storage)))
}

/// What shows that the network was.
fn slow_network(budget: &Budget, shares: &Shares) -> Option<String> {
    let is_far = budget.rtt_us > NEAR_RTT_US;
    if shares.network >= LIMITING_SHARE && (is_far || budget.is_lossy) {
        let losses = if budget.is_lossy { ", segments were lost on the way" } else { "" };
        let (on_the_way, rtt) = (percent(shares.network), time(budget.rtt_us as f64));
        return Some(format!(
            "{on_the_way} of the time went to a network of {rtt} round trip{losses}"
        ));
    }
    let payload = budget.share(budget.payload_us().0);
    let (share, rate) = (percent(payload), budget.bytes_per_s / 1e6);
    (payload >= LIMITING_SHARE)
        .then(|| format!("{share} of the time payload was on its way, at {rate:.1} MB/s in all"))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Microseconds for a person.
fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{:.1} s", us / 1e6),
        us if us >= 1e3 => format!("{:.1} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: f64 = 1e6;

    /// One connection for 10 s, that neither waits nor sends: rows say what it does with its time.
    fn ten_seconds(exchanges: f64, rtt_us: u64) -> Budget {
        let round_trips_us = exchanges * rtt_us as f64;
        Budget {
            messages: (exchanges / 4.0) as u64,
            exchanges,
            round_trips_us,
            bytes_per_s: exchanges / 40.0 * 10_000.0,
            rtt_us,
            ..Budget::default()
        }
    }

    fn busy(busy_share: f64) -> Headroom {
        Headroom { busy_share, ..Headroom::default() }
    }

    #[track_caller]
    fn check(rows: &[(&str, LimitedBy, Budget, Headroom)]) {
        for (what, expected, budget, headroom) in rows {
            let (found, because) = decide(budget, headroom);
            assert_eq!(found, *expected, "{what}: {because}");
            let Shares { sender, network, sink } = budget.shares();
            let sum = sender + network + sink;
            assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "{what}: shares make {sum}");
        }
    }

    #[test]
    fn what_takes_most_of_the_time_limits() {
        use LimitedBy::{Connections, Network, Sender, Undecided};
        let fast = ten_seconds(400_000.0, 10);
        let near = ten_seconds(4000.0, 10);
        let far = ten_seconds(490.0, 20_000);
        check(&[
            ("nothing", Undecided, Budget::default(), busy(0.0)),
            (
                "lock-step",
                Connections,
                Budget { sender_us: 4.0 * S, sink_us: 2.0 * S, ..fast },
                busy(0.3),
            ),
            // 100 us is prompt, more is not.
            ("at the edge", Connections, Budget { sender_us: 0.4 * S, ..near }, busy(0.1)),
            ("beyond it", Sender, Budget { sender_us: 0.41 * S, ..near }, busy(0.1)),
            (
                "on a slow machine",
                Connections,
                Budget { sender_us: 0.7 * S, command_us: 35.0, ..near },
                busy(0.2),
            ),
            (
                "slow on a slow machine",
                Sender,
                Budget { sender_us: 0.9 * S, command_us: 35.0, ..near },
                busy(0.2),
            ),
            ("pauses", Sender, Budget { sender_us: 9.9 * S, ..near }, busy(0.01)),
            (
                "flushes",
                Connections,
                Budget { sender_us: 4.9 * S, sink_us: 5.0 * S, ..near },
                busy(0.01),
            ),
            // A connection for each message, and a pause before the next.
            (
                "no connection",
                Sender,
                Budget { sender_us: 0.04 * S, absent_us: 9.9 * S, ..near },
                busy(0.01),
            ),
            ("delay", Network, Budget { sender_us: 0.1 * S, ..far }, busy(0.01)),
            ("pauses, far away", Sender, Budget { sender_us: 20.0 * S, ..far }, busy(0.01)),
            (
                "half and half",
                Undecided,
                Budget { sender_us: 12.5 * S, sink_us: 6.0 * S, ..far },
                busy(0.1),
            ),
        ]);
    }

    #[test]
    fn payload_on_its_way_is_the_networks_where_there_is_one() {
        use LimitedBy::{Network, Sender};
        let near = ten_seconds(400.0, 10);
        let slow = Budget { sender_us: S, bytes_per_s: 2.4e6, ..near };
        let fast = Budget { bytes_per_s: 2e9, ..slow };
        check(&[
            ("bandwidth", Network, Budget { transfer_us: 9.0 * S, ..slow }, busy(0.01)),
            (
                "losses",
                Network,
                Budget { transfer_us: 9.0 * S, is_lossy: true, ..slow },
                busy(0.01),
            ),
            ("memory speed", Sender, Budget { transfer_us: 9.0 * S, ..fast }, busy(0.5)),
            ("same machine", Sender, Budget { transfer_local_us: 9.0 * S, ..slow }, busy(0.01)),
        ]);
    }

    #[test]
    fn a_machine_at_its_ceiling_is_said_to_be() {
        use LimitedBy::{Network, Sender, Sink};
        let verdict = |limited_by, rtt_min_us, share| {
            let calibrated = Calibrated { load: "plain".into(), messages_per_s: 1000.0, share };
            let mut verdict = Verdict {
                limited_by,
                because: "why".into(),
                shares: Shares::default(),
                connections: 1.0,
                rtt_min_us,
                headroom: Headroom::default(),
                calibrated: None,
            };
            verdict.calibrate(calibrated);
            (verdict.limited_by, verdict.because.starts_with("why; "))
        };
        assert_eq!(verdict(Sender, 10, 0.9), (Sink, false));
        assert_eq!(verdict(Sender, 10, 0.89), (Sender, true));
        assert_eq!(verdict(Sender, 101, 0.9), (Sender, true), "from elsewhere");
        assert_eq!(verdict(Network, 10, 0.9), (Network, true));
    }

    /// What is left by a run of this many seconds, each with these messages and this busy time.
    fn left(seconds: u64, messages: u64, busiest_us: u64) -> Option<f64> {
        let mut history = History::default();
        for second in 0..seconds {
            // The first and the last are cut, and busy for less.
            let is_cut = second == 0 || second == seconds - 1;
            let (messages, busiest_us) =
                if is_cut { (messages / 10, busiest_us / 20) } else { (messages, busiest_us) };
            let counters = format!(r#""counters":{{"messages":{messages}}},"replies":{{}}"#);
            let line = format!(r#"{{"second":{second},{counters},"busiest_us":{busiest_us}}}"#);
            history.add_second(second, &Second::of_line(&line).unwrap(), []);
        }
        let summary = Summary::of(&history);
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

    #[test]
    fn what_a_sender_recorded_says_nothing_of_where_the_time_went() {
        let mut connects = Metric::Connect.histogram();
        connects.record(100).unwrap();
        let mut history = History::default();
        for second in [10, 20] {
            let counts = r#""counters":{"messages":1},"tenths":[1,0,0,0,0,0,0,0,0,0]"#;
            let line = format!(r#"{{"second":{second},{counts},"replies":{{}}}}"#);
            let counts_of = Second::of_line(&line).unwrap();
            history.add_second(second, &counts_of, [(&Metric::Connect, &connects)]);
        }
        let verdict = Verdict::of(&history, &Summary::of(&history));
        assert_eq!(verdict.shares, Shares::default());
    }

    #[test]
    fn a_sender_knows_whether_it_was_the_limit() {
        let some = ten_seconds(400.0, 10);
        assert_eq!(decide_for_sender(&some, &busy(0.89)).0, LimitedBy::Undecided);
        assert_eq!(decide_for_sender(&some, &busy(0.90)).0, LimitedBy::Sender);
        let nothing = Budget::default();
        assert_eq!(decide_for_sender(&nothing, &busy(1.0)).0, LimitedBy::Undecided);
    }

    #[test]
    fn a_saturated_sink_limits_whatever_else_takes_time() {
        use LimitedBy::{Connections, Sender, Sink};
        let slow = Budget { sender_us: 9.0 * S, ..ten_seconds(4000.0, 10) };
        let full = Headroom { accept_overflows: 1, ..busy(0.1) };
        let short = Budget { sink_us: 9.0 * S, sender_us: 0.95 * S, ..ten_seconds(4000.0, 10) };
        let waits = Budget { sink_us: 9.0 * S, storage_us: 8.9 * S, ..ten_seconds(4000.0, 10) };
        check(&[
            ("not yet", Sender, slow, busy(0.89)),
            ("busy", Sink, slow, busy(0.90)),
            ("accept queue", Sink, slow, full),
            ("one in a thousand", Sender, Budget { connections: 1000, ..slow }, full),
            ("log without room", Sink, waits, busy(0.2)),
            ("two seconds, none whole", Sink, short, busy(0.7)),
            ("flushes", Connections, Budget { flush_us: 0.1 * S, ..short }, busy(0.01)),
        ]);
    }
}
