//! What limited a run, worked out from where the time of its connections went.
//!
//! A connection is always in one of four states: its client waits for us, we wait for its client
//! (a round trip of the network, then the sender's own time), or a payload is on its way. Workers
//! sum these up; TCP says how long a round trip takes. What is largest limited the run, unless the
//! sink was saturated: then every sender waits, whatever it could do.
use serde::Serialize;

use super::history::{History, Second};
use super::metric::{Counter, Metric};
use super::summary::{Percentiles, Summary};

/// A loop that is busy for this share of its seconds is saturated: what is left is the time the
/// kernel takes to give it its events.
const SATURATED_SHARE: f64 = 0.90;
/// Below this share of the time, nothing is said to have limited the run.
const LIMITING_SHARE: f64 = 0.45;
/// Round trips of a local network; longer ones are the network's doing.
const NEAR_RTT_US: u64 = 500;
/// A sender that takes no longer than this to answer works as fast as one connection lets it.
const PROMPT_US: f64 = 100.0;
/// Payload that comes faster than this, octets per second of all connections, is not held up by a
/// network: 10 Gbit/s.
const FAST_BYTES_PER_S: f64 = 1.25e9;
/// Share of segments out of order that tells of losses on the way.
const LOSSY_SHARE: f64 = 0.001;

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
    /// Senders' own time.
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
    /// Messages per second at which that loop would have been busy all the time; null without any.
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
}

impl Verdict {
    /// True where our ceiling may be taken for the sender's.
    pub fn is_saturated(&self) -> bool {
        self.limited_by == LimitedBy::Sink
    }

    /// Of a run. Costs one pass over its seconds.
    pub fn of(history: &History, summary: &Summary) -> Verdict {
        let budget = Budget::of(history);
        let headroom = Headroom::of(history, summary);
        let shares = budget.shares();
        let (limited_by, because) = decide(&budget, &shares, &headroom, summary);
        let seconds = summary.seconds();
        let connections = if seconds > 0.0 { budget.total_us() / 1e6 / seconds } else { 0.0 };
        let rtt_min_us = budget.rtt_us;
        Verdict { limited_by, because, shares, connections, rtt_min_us, headroom }
    }
}

/// Sums over all connections, us.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    sink_us: f64,
    /// Of senders alone: without round trips.
    sender_us: f64,
    round_trips_us: f64,
    transfer_us: f64,
    exchanges: f64,
    bytes_per_s: f64,
    rtt_us: u64,
    is_lossy: bool,
}

impl Budget {
    fn of(history: &History) -> Budget {
        let total = |counter| history.total(counter) as f64;
        let rtt_us = Percentiles::of_metric(history, Metric::RttMin).p50;
        let exchanges = total(Counter::Exchanges);
        let think_us = total(Counter::ThinkUs);
        // A sender that pipelines has no round trip in each of its answers.
        let round_trips_us = (exchanges * rtt_us as f64).min(think_us);
        let transfer_us = total(Counter::TransferUs);
        let bytes = total(Counter::MessageBytes);
        let out_of_order = total(Counter::OutOfOrder) + total(Counter::Retransmits);
        Budget {
            sink_us: total(Counter::SinkUs),
            sender_us: think_us - round_trips_us,
            round_trips_us,
            transfer_us,
            exchanges,
            bytes_per_s: bytes / busy_seconds(history).max(1.0),
            rtt_us,
            is_lossy: out_of_order > LOSSY_SHARE * total(Counter::SegmentsIn),
        }
    }

    fn total_us(&self) -> f64 {
        self.sink_us + self.sender_us + self.round_trips_us + self.transfer_us
    }

    /// Does payload come as fast as memory lets it?
    fn is_payload_fast(&self) -> bool {
        self.bytes_per_s >= FAST_BYTES_PER_S
    }

    fn shares(&self) -> Shares {
        let total = self.total_us();
        if total <= 0.0 {
            return Shares::default();
        }
        let (payload_network, payload_sender) = match self.is_payload_fast() {
            true => (0.0, self.transfer_us),
            false => (self.transfer_us, 0.0),
        };
        Shares {
            sender: (self.sender_us + payload_sender) / total,
            network: (self.round_trips_us + payload_network) / total,
            sink: self.sink_us / total,
        }
    }

    /// The sender's own time for an answer, us.
    fn answer_us(&self) -> f64 {
        if self.exchanges > 0.0 { self.sender_us / self.exchanges } else { 0.0 }
    }
}

/// Seconds in which messages came.
fn busy_seconds(history: &History) -> f64 {
    let has_messages = |second: &&Second| second.counter(Counter::Messages) > 0;
    history.seconds.values().filter(has_messages).count() as f64
}

impl Headroom {
    fn of(history: &History, summary: &Summary) -> Headroom {
        let busy_share = summary.busy_share.0;
        let queue = history.seconds.values().map(|second| second.accept_queue).max();
        let rate = summary.rate.median;
        Headroom {
            busy_share,
            messages_per_s: (busy_share > 0.0 && rate > 0.0).then(|| rate / busy_share.min(1.0)),
            accept_overflows: history.total(Counter::AcceptOverflows),
            accept_queue_max: queue.unwrap_or(0),
            storage_waits: history.total(Counter::StorageWaits),
            service_message_us: Percentiles::of_metric(history, Metric::ServiceMessage),
        }
    }
}

fn decide(
    budget: &Budget,
    shares: &Shares,
    headroom: &Headroom,
    summary: &Summary,
) -> (LimitedBy, String) {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let busy = percent(headroom.busy_share);
    if summary.totals.messages == 0 {
        return (LimitedBy::Undecided, "no message was recorded".into());
    }
    if headroom.accept_overflows > 0 {
        let n = headroom.accept_overflows;
        return (LimitedBy::Sink, format!("{n} connections found the accept queue full"));
    }
    if headroom.busy_share >= SATURATED_SHARE {
        let why = format!("its busiest loop was busy for {busy} of the time");
        return (LimitedBy::Sink, why);
    }
    let answer = time(budget.answer_us());
    let rtt = time(budget.rtt_us as f64);
    let is_far = budget.rtt_us > NEAR_RTT_US;
    let payload = budget.transfer_us / budget.total_us().max(1.0);
    if shares.network >= LIMITING_SHARE && (is_far || budget.is_lossy) {
        let losses = if budget.is_lossy { ", segments were lost on the way" } else { "" };
        let on_the_way = percent(shares.network);
        let why = format!("{on_the_way} of the time went to a network of {rtt} round trip{losses}");
        return (LimitedBy::Network, why);
    }
    if payload >= LIMITING_SHARE && !budget.is_payload_fast() {
        let (share, rate) = (percent(payload), budget.bytes_per_s / 1e6);
        let why = format!("{share} of the time payload was on its way, at {rate:.1} MB/s in all");
        return (LimitedBy::Network, why);
    }
    let is_prompt = budget.answer_us() <= PROMPT_US;
    let own = percent(shares.sender);
    if is_prompt || shares.sink >= LIMITING_SHARE {
        let why = format!(
            "the sender answered within {answer} and waited for its turn; our loops were busy for \
             {busy} of the time, so more connections would send more"
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

/// Microseconds for a person.
fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{:.1} s", us / 1e6),
        us if us >= 1e3 => format!("{:.1} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}
