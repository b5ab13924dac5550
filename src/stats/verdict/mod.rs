//! Decides what limited a run, from the shares of its connections' time.
//!
//! A connection in use is always in one of four states: its client waits for the sink, a round trip
//! is in progress, the sink waits for the sender, or a payload is in transit. A state that takes
//! about half of the time limited the run, unless the sink was saturated: then every sender waits,
//! however fast it is. Time without a connection in use belongs to the sender.
//!
//! The verdict can't distinguish commands that queue before a narrow link from a slow sender (the
//! minimum round trip time is short in both cases), or a payload that trickles in from one that
//! arrives over a narrow link. It names the sender in the first case, and the network in the
//! second.
mod reason;

use serde::{Serialize, Serializer};

pub use reason::VerdictReason;

use super::budget::{Budget, Shares};
use super::calibration::Calibrated;
use super::headroom::{Headroom, MESSAGES_MIN, WHOLE_SECONDS_MIN};
use super::history::History;
use super::limited_by::LimitedBy;
use super::summary::RunSummary;
use crate::wording::{duration, whole, whole_percent as percent};

/// Busy share at which a loop is saturated. The rest is the time that the kernel needs to deliver
/// events, and that other programs use on its core.
const SATURATED_SHARE: f64 = 0.90;
/// If the loops had no processor for this share of the time, no headroom is reported.
const STARVED_SHARE: f64 = 0.10;
/// Minimum share of the time for a limit: below it, no state stands out.
const LIMITING_SHARE: f64 = 0.45;
/// Maximum round trip time in a local network, in µs; longer ones indicate a slow network.
const NEAR_RTT_US: u64 = 500;

/// Maximum round trip time within a machine, in µs.
const LOCAL_RTT_US: u64 = 100;
/// Share of the measured ceiling from which the machine counts as being at its ceiling.
const CEILING_SHARE: f64 = 0.9;

/// The verdict on what limited a run, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The decisive fact, for programs. The key `limited_by` precedes it in JSON.
    #[serde(flatten, serialize_with = "with_limit")]
    pub reason: VerdictReason,
    /// One sentence with the figures that show it.
    pub because: String,
    /// How the time of the connections was spent, as parts of 1.
    pub shares: Shares,
    /// The average number of connections in use, without idle ones.
    pub connections: f64,
    /// The median of the connections' minimum round trip times, in µs.
    pub rtt_min_us: u64,
    /// The capacity that the sink had left.
    pub headroom: Headroom,
    /// The comparison with a measured ceiling; null if none is similar.
    pub calibrated: Option<Calibrated>,
    /// Whether there were enough messages and seconds.
    #[serde(skip)]
    pub is_enough: bool,
}

impl Verdict {
    /// Returns what kept the run from being faster.
    pub fn limited_by(&self) -> LimitedBy {
        self.reason.limited_by()
    }

    /// Returns whether the sink limited the run, so that its ceiling must not be taken for the
    /// sender's.
    pub fn is_saturated(&self) -> bool {
        self.limited_by() == LimitedBy::Sink
    }

    /// Returns the verdict on a run.
    pub fn of(history: &History, summary: &RunSummary) -> Verdict {
        let budget = Budget::of(history, summary);
        let mut headroom = Headroom::of(history, summary);
        if budget.share(budget.starved_us + budget.slowed_us) >= STARVED_SHARE {
            // A loop that waits for a processor looks busy, but can't get faster.
            headroom.messages_per_s = None;
        }
        let shares = budget.shares();
        let (reason, because) = match history.is_of_sender() {
            true => decide_for_sender(&budget, &headroom),
            false => decide(&budget, &headroom),
        };
        Verdict {
            reason,
            because,
            shares,
            connections: budget.connections_in_use(),
            rtt_min_us: budget.rtt_us,
            headroom,
            calibrated: None,
            is_enough: too_little(&budget).is_none(),
        }
    }

    /// Compares the run with the measured capacity of the machine. If sender and sink share the
    /// machine, they reach its ceiling together, and neither counts as slow.
    pub fn calibrate(&mut self, calibrated: Calibrated) {
        let Calibrated { load, messages_per_s, share } = &calibrated;
        let reached = percent(*share);
        let what = format!(
            "{reached} of the {messages_per_s:.0} messages/s that this machine reaches with such \
             mail ({load})"
        );
        let may_tell = self.is_enough && self.rtt_min_us <= LOCAL_RTT_US;
        if *share >= CEILING_SHARE && may_tell && self.limited_by() != LimitedBy::Network {
            self.reason = VerdictReason::MachineCeiling;
            self.because = format!("it reached {what}");
        } else {
            self.because = format!("{}; {what}", self.because);
        }
        self.calibrated = Some(calibrated);
    }
}

fn with_limit<S: Serializer>(reason: &VerdictReason, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct ReasonWithLimit {
        limited_by: LimitedBy,
        reason: VerdictReason,
    }
    ReasonWithLimit { limited_by: reason.limited_by(), reason: *reason }.serialize(serializer)
}

/// What shows a verdict: the reason, and a sentence with its figures for [`Verdict::because`].
type Evidence = (VerdictReason, String);

fn decide(budget: &Budget, headroom: &Headroom) -> Evidence {
    if budget.messages == 0 {
        return (VerdictReason::NoMessage, "no message was recorded".into());
    }
    if let Some(why) = too_little(budget) {
        return (VerdictReason::TooLittleData, why);
    }
    let shares = budget.shares();
    let found = saturation(budget, headroom)
        .or_else(|| nagle(budget))
        .or_else(|| slow_network(budget, &shares))
        .or_else(|| slow_sender(budget, &shares))
        .or_else(|| lock_step(budget, headroom));
    found.unwrap_or_else(|| (VerdictReason::NothingStandsOut, nothing_stands_out(budget, &shares)))
}

/// Returns why there is too little data for a verdict; `None` if there is enough.
fn too_little(budget: &Budget) -> Option<String> {
    let Budget { messages, whole_seconds, .. } = budget;
    (*messages < MESSAGES_MIN || *whole_seconds < WHOLE_SECONDS_MIN).then(|| {
        let [least, messages] = [MESSAGES_MIN, *messages].map(|n| whole(n as f64));
        format!(
            "too little to tell: expected at least {least} messages and {WHOLE_SECONDS_MIN} whole \
             seconds, found {messages} and {whole_seconds}"
        )
    })
}

/// Returns the evidence that the sender waited for acknowledgements (RFC 9293 section 3.7.4);
/// `None` if it did not.
fn nagle(budget: &Budget) -> Option<Evidence> {
    let pause_us = budget.delayed_ack_us?;
    let share = budget.share(budget.pauses_us);
    (share >= LIMITING_SHARE).then(|| {
        (
            VerdictReason::DelayedAcknowledgements,
            format!(
                "{} of the time it paused within commands or payloads, {} each: its Nagle \
                 algorithm waits for a delayed acknowledgement; set TCP_NODELAY in the sender, or \
                 write each command or message with one call",
                percent(share),
                duration(pause_us as f64)
            ),
        )
    })
}

/// Returns the evidence that the sender was slow; `None` if it was not.
fn slow_sender(budget: &Budget, shares: &Shares) -> Option<Evidence> {
    if budget.quiet_share >= LIMITING_SHARE {
        let quiet = percent(budget.quiet_share);
        return Some((
            VerdictReason::NoConnectionInUse,
            format!("{quiet} of the time it had no connection in use"),
        ));
    }
    let rate = budget.bytes_per_s / 1e6;
    let payload = budget.share(budget.payload_time().sender_us);
    if payload >= LIMITING_SHARE {
        let share = percent(payload);
        return Some((
            VerdictReason::WritingPayload,
            format!("{share} of the time it was writing payload, at {rate:.1} MB/s in all"),
        ));
    }
    let unread = budget.share(budget.unread_us);
    if unread >= LIMITING_SHARE {
        return Some((
            VerdictReason::UnreadReplies,
            format!("{} of the time it did not read its replies", percent(unread)),
        ));
    }
    let slow = budget.share(budget.slow_us) + budget.quiet_share;
    (slow >= LIMITING_SHARE).then(|| {
        let (own, answer) = (percent(shares.sender), duration(budget.answer_us()));
        let is_between = budget.between_us > budget.sender_us / 2.0;
        let when = if is_between { ", mostly between messages" } else { "" };
        (
            VerdictReason::SlowAnswers,
            format!(
                "the sink waited for the sender {own} of the time{when}, {answer} for each answer"
            ),
        )
    })
}

/// Returns the evidence that each side waited for the other; `None` if they did
/// not.
fn lock_step(budget: &Budget, headroom: &Headroom) -> Option<Evidence> {
    let prompt_us = budget.sender_us - budget.slow_us;
    let near_us = if budget.rtt_us > NEAR_RTT_US { 0.0 } else { budget.round_trips_us };
    let taking_turns = budget.share(prompt_us + budget.sink_us + near_us);
    (taking_turns >= LIMITING_SHARE).then(|| {
        let (answer, busy) = (duration(budget.answer_us()), percent(headroom.busy_share));
        (
            VerdictReason::LockStep,
            format!(
                "the next command came {answer} after each reply on average; the sink's loops were \
             {busy} busy: more connections would raise the rate"
            ),
        )
    })
}

fn nothing_stands_out(budget: &Budget, shares: &Shares) -> String {
    let Shares { sender, network, sink } = shares;
    let [sender, network, sink] = [sender, network, sink].map(|share| percent(*share));
    let starved = budget.share(budget.starved_us);
    let starved = match starved >= STARVED_SHARE {
        true => format!(
            "; for {} of the time, the sink's loops waited for a processor",
            percent(starved)
        ),
        false => String::new(),
    };
    format!("sender {sender}, network {network}, sink {sink} of the time{starved}")
}

/// Decides from a sender's records, which show whether the sender itself was the limit, but nothing
/// about the sink.
fn decide_for_sender(budget: &Budget, headroom: &Headroom) -> Evidence {
    if budget.messages == 0 {
        return (VerdictReason::NoMessage, "no message was accepted".into());
    }
    let busy = percent(headroom.busy_share);
    if headroom.busy_share >= SATURATED_SHARE {
        let why =
            format!("its busiest thread was busy for {busy} of the time: it cannot send faster");
        return (VerdictReason::SenderThreadBusy, why);
    }
    let why = format!(
        "these are only the sender's records (its busiest thread was {busy} busy): the target's \
         records show the cause"
    );
    (VerdictReason::OnlySenderRecords, why)
}

/// Returns the evidence that the sink was saturated; `None` if it was not.
fn saturation(budget: &Budget, headroom: &Headroom) -> Option<Evidence> {
    if let Some(found) = lost_connections(budget, headroom) {
        return Some(found);
    }
    if headroom.busy_share >= SATURATED_SHARE {
        let busy = percent(headroom.busy_share);
        return Some((
            VerdictReason::EventLoopBusy,
            format!("its busiest loop was busy for {busy} of the time"),
        ));
    }
    // Whatever stops a loop also does so while it serves clients.
    let waits_us = budget.storage_us + budget.commit_us;
    let loops = budget.share(budget.sink_us - waits_us);
    let starved = budget.share(budget.starved_us + budget.slowed_us);
    if loops >= LIMITING_SHARE && starved >= loops / 2.0 {
        return Some((
            VerdictReason::NoProcessor,
            format!(
                "{} of the time clients waited for its loops, {} of it for loops that were ready \
                 and had no processor: something else runs on their cores, or sinkd was stopped",
                percent(loops),
                percent(starved / loops)
            ),
        ));
    }
    let storage = budget.share(budget.storage_us);
    if storage >= LIMITING_SHARE {
        let storage = percent(storage);
        return Some((
            VerdictReason::WaitingForStorage,
            format!("for {storage} of the time, payload waited for room in the sink's log"),
        ));
    }
    let commit = budget.share(budget.commit_us);
    if commit >= LIMITING_SHARE {
        return Some((
            VerdictReason::WaitingForCommits,
            format!(
                "{} of the time messages waited to be committed (durability 'message', or a file \
                 of their own); connections share a flush, so more of them would raise the rate",
                percent(commit)
            ),
        ));
    }
    let sink = budget.share(budget.sink_us);
    (sink >= SATURATED_SHARE).then(|| {
        let [sink, loops, storage, commit] = [sink, loops, storage, commit].map(percent);
        (
            VerdictReason::WaitingForSink,
            format!(
                "{sink} of the time clients waited for it: {loops} for its loops, {storage} for \
                 room in its log, {commit} for commits"
            ),
        )
    })
}

/// Returns the evidence that the sink did not serve connections; `None` if it served them.
fn lost_connections(budget: &Budget, headroom: &Headroom) -> Option<Evidence> {
    // The kernel counts for all listeners of the machine, so a few among many may not be ours.
    let n = headroom.accept_overflows;
    if n > 0 && n * 100 >= budget.connections {
        return Some((
            VerdictReason::AcceptQueueFull,
            format!("{n} connections found the accept queue full"),
        ));
    }
    let turned_away = budget.turned_away;
    if turned_away * 10 >= budget.connections + turned_away && turned_away > 0 {
        return Some((
            VerdictReason::ConnectionsTurnedAway,
            format!(
                "{turned_away} connections were turned away with 421, and {} were accepted: \
                 the sink reached its own limit of connections",
                budget.connections
            ),
        ));
    }
    None
}

/// Returns the evidence that the network was slow; `None` if it was not.
fn slow_network(budget: &Budget, shares: &Shares) -> Option<Evidence> {
    let is_far = budget.rtt_us > NEAR_RTT_US;
    if shares.network >= LIMITING_SHARE && (is_far || budget.is_lossy) {
        let lost = percent(budget.share(budget.losses_us));
        let losses = match budget.is_lossy {
            true => format!(", segments were lost on the way: {lost} until they were sent again"),
            false => String::new(),
        };
        let (on_the_way, rtt) = (percent(shares.network), duration(budget.rtt_us as f64));
        return Some((
            VerdictReason::RoundTrips,
            format!(
                "{on_the_way} of the time was spent on a network with a round-trip time of \
             {rtt}{losses}"
            ),
        ));
    }
    let payload = budget.share(budget.payload_time().network_us);
    let (share, rate) = (percent(payload), budget.bytes_per_s / 1e6);
    (payload >= LIMITING_SHARE).then(|| {
        (
            VerdictReason::PayloadInTransit,
            format!("{share} of the time payload was on its way, at {rate:.1} MB/s in all"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::history::Second;
    use super::super::metric::Metric;
    use super::*;

    const S: f64 = 1e6;

    /// Returns 10 s of a connection that neither waits nor sends; rows set how it spends its time.
    fn ten_seconds(exchanges: f64, rtt_us: u64) -> Budget {
        Budget {
            messages: 1000,
            whole_seconds: 9,
            exchanges,
            round_trips_us: exchanges * rtt_us as f64,
            bytes_per_s: exchanges / 40.0 * 10_000.0,
            span_us: 10.0 * S,
            rtt_us,
            ..Budget::default()
        }
    }

    /// Returns 10 s in which the sender takes all of `us`.
    fn slow(us: f64) -> Budget {
        Budget { sender_us: us, slow_us: us, ..ten_seconds(4000.0, 10) }
    }

    fn busy(busy_share: f64) -> Headroom {
        Headroom { busy_share, ..Headroom::default() }
    }

    #[track_caller]
    fn check(rows: &[(&str, LimitedBy, Budget, Headroom)]) {
        for (what, expected, budget, headroom) in rows {
            let (reason, because) = decide(budget, headroom);
            assert_eq!(reason.limited_by(), *expected, "{what}: {because}");
            let Shares { sender, network, sink } = budget.shares();
            let sum = sender + network + sink;
            assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "{what}: shares make {sum}");
        }
    }

    #[test]
    fn what_takes_most_of_the_time_limits() {
        use LimitedBy::{Connections, Network, Sender, Sink, Undecided};
        let fast = ten_seconds(400_000.0, 10);
        let near = ten_seconds(4000.0, 10);
        let far = ten_seconds(490.0, 20_000);
        let (sender_us, sink_us) = (4.0 * S, 2.0 * S);
        check(&[
            ("nothing", Undecided, Budget::default(), busy(0.0)),
            ("lock-step", Connections, Budget { sender_us, sink_us, ..fast }, busy(0.3)),
            ("slow", Sender, Budget { sink_us, ..slow(sender_us) }, busy(0.3)),
            // Half of the connections have few answers, which take most of the time.
            (
                "slow half",
                Sender,
                Budget { slow_us: 2.8 * S, sender_us, sink_us, ..near },
                busy(0.3),
            ),
            ("slow few", Connections, Budget { slow_us: S, sender_us, sink_us, ..near }, busy(0.3)),
            (
                "flushes",
                Sink,
                Budget { sink_us: 5.0 * S, commit_us: 4.9 * S, ..slow(4.9 * S) },
                busy(0.01),
            ),
            ("delay", Network, Budget { sender_us: 0.1 * S, ..far }, busy(0.01)),
            ("unread", Sender, Budget { unread_us: 9.0 * S, ..slow(9.0 * S) }, busy(0.3)),
            (
                "pauses, far away",
                Sender,
                Budget { sender_us: 20.0 * S, slow_us: 20.0 * S, ..far },
                busy(0.01),
            ),
            (
                "half and half",
                Undecided,
                Budget { sender_us: 12.5 * S, slow_us: 12.5 * S, sink_us: 6.0 * S, ..far },
                busy(0.1),
            ),
        ]);
    }

    #[test]
    fn time_without_a_connection_in_use_is_the_senders() {
        use LimitedBy::{Connections, Sender};
        let lock_step = Budget { sender_us: S, sink_us: S, ..ten_seconds(40_000.0, 10) };
        let quiet = |quiet_share| Budget { quiet_share, ..lock_step };
        check(&[
            ("a connection for each message, and a pause", Sender, quiet(0.99), busy(0.01)),
            ("at the edge", Sender, quiet(0.45), busy(0.1)),
            ("below it", Connections, quiet(0.44), busy(0.1)),
            ("with slow answers", Sender, Budget { slow_us: S, ..quiet(0.3) }, busy(0.1)),
        ]);
        assert!((quiet(0.99).shares().sender - 0.995).abs() < 0.001);
    }

    #[test]
    fn too_few_samples_give_no_verdict() {
        use LimitedBy::{Sender, Undecided};
        let enough = slow(9.0 * S);
        check(&[
            ("enough", Sender, Budget { whole_seconds: 5, ..enough }, busy(0.1)),
            ("999 messages", Undecided, Budget { messages: 999, ..enough }, busy(0.1)),
            ("four seconds", Undecided, Budget { whole_seconds: 4, ..enough }, busy(0.1)),
            ("a saturated second", Undecided, Budget { whole_seconds: 1, ..enough }, busy(1.0)),
        ]);
    }

    #[test]
    fn a_sink_without_a_processor_is_the_limit() {
        use LimitedBy::{Sender, Sink, Undecided};
        let starved = |us| Budget { starved_us: us, sink_us: us, ..slow(10.0 * S - us) };
        check(&[
            ("most of the time", Sink, starved(6.0 * S), busy(0.01)),
            ("now and then", Sender, starved(4.0 * S), busy(0.01)),
            (
                "neither stands out",
                Undecided,
                Budget { transfer_us: 4.0 * S, sender_us: S, slow_us: S, ..starved(4.0 * S) },
                busy(0.01),
            ),
        ]);
        // The loops were without a processor during rounds as well, so they look busy.
        let slowed = Budget { slowed_us: 3.0 * S, sink_us: 7.0 * S, ..starved(3.0 * S) };
        check(&[("a quota", Sink, slowed, busy(0.42))]);
        let told = nothing_stands_out(&starved(4.0 * S), &starved(4.0 * S).shares());
        assert!(
            told.ends_with("; for 40% of the time, the sink's loops waited for a processor"),
            "{told}"
        );
    }

    #[test]
    fn nagle_and_the_delayed_acknowledgement_are_named() {
        let paused = Budget { transfer_local_us: 9.0 * S, sender_us: S, ..ten_seconds(900.0, 8) };
        let nagle = Budget { pauses_us: 8.6 * S, delayed_ack_us: Some(43_000), ..paused };
        let (reason, because) = decide(&nagle, &busy(0.01));
        assert_eq!(reason, VerdictReason::DelayedAcknowledgements);
        assert!(because.contains("43 ms each") && because.contains("TCP_NODELAY"), "{because}");
        let others = Budget { delayed_ack_us: None, ..nagle };
        assert!(!decide(&others, &busy(0.01)).1.contains("Nagle"));
        let few = Budget { pauses_us: 4.0 * S, ..nagle };
        assert!(!decide(&few, &busy(0.01)).1.contains("Nagle"));
    }

    #[test]
    fn payload_on_its_way_is_the_networks_where_there_is_one() {
        use LimitedBy::{Network, Sender};
        let near = ten_seconds(400.0, 10);
        let slow = Budget { sender_us: S, slow_us: S, bytes_per_s: 2.4e6, ..near };
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
    fn a_machine_at_its_ceiling_is_reported() {
        use LimitedBy::{Network, Sender, Sink};
        use VerdictReason::{RoundTrips, SlowAnswers};
        let verdict = |reason, rtt_min_us, share| {
            let calibrated = Calibrated { load: "plain".into(), messages_per_s: 1000.0, share };
            let mut verdict = Verdict {
                reason,
                because: "why".into(),
                shares: Shares::default(),
                connections: 1.0,
                rtt_min_us,
                headroom: Headroom::default(),
                calibrated: None,
                is_enough: true,
            };
            verdict.calibrate(calibrated);
            let is_ceiling = verdict.reason == VerdictReason::MachineCeiling;
            assert_ne!(is_ceiling, verdict.because.starts_with("why; "));
            (verdict.limited_by(), verdict.because.starts_with("why; "))
        };
        assert_eq!(verdict(SlowAnswers, 10, 0.9), (Sink, false));
        assert_eq!(verdict(SlowAnswers, 10, 0.89), (Sender, true));
        assert_eq!(verdict(SlowAnswers, 101, 0.9), (Sender, true), "from elsewhere");
        assert_eq!(verdict(RoundTrips, 10, 0.9), (Network, true));
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
        let verdict = Verdict::of(&history, &RunSummary::of(&history));
        assert_eq!(verdict.shares, Shares::default());
        let json = serde_json::to_string(&verdict).unwrap();
        let begin = r#"{"limited_by":"undecided","reason":"only_sender_records","because":"#;
        assert!(json.starts_with(begin), "{json}");
    }

    #[test]
    fn a_sender_knows_whether_it_was_the_limit() {
        let some = ten_seconds(400.0, 10);
        assert_eq!(decide_for_sender(&some, &busy(0.89)).0, VerdictReason::OnlySenderRecords);
        assert_eq!(decide_for_sender(&some, &busy(0.90)).0, VerdictReason::SenderThreadBusy);
        let nothing = Budget::default();
        assert_eq!(decide_for_sender(&nothing, &busy(1.0)).0, VerdictReason::NoMessage);
    }

    #[test]
    fn a_saturated_sink_limits_whatever_else_takes_time() {
        use LimitedBy::{Sender, Sink};
        let slow = slow(9.0 * S);
        let full = Headroom { accept_overflows: 1, ..busy(0.1) };
        let short = Budget { sink_us: 9.0 * S, sender_us: 0.95 * S, ..ten_seconds(4000.0, 10) };
        let waits = Budget { sink_us: 9.0 * S, storage_us: 8.9 * S, ..ten_seconds(4000.0, 10) };
        check(&[
            ("not yet", Sender, slow, busy(0.89)),
            ("busy", Sink, slow, busy(0.90)),
            ("accept queue", Sink, slow, full),
            ("one in a thousand", Sender, Budget { connections: 1000, ..slow }, full),
            ("log without room", Sink, waits, busy(0.2)),
            ("clients wait", Sink, short, busy(0.7)),
            (
                "for this and that",
                Sink,
                Budget { storage_us: 3.0 * S, commit_us: 3.0 * S, ..short },
                busy(0.4),
            ),
            ("turned away", Sink, Budget { connections: 90, turned_away: 10, ..slow }, busy(0.1)),
            ("a few", Sender, Budget { connections: 91, turned_away: 10, ..slow }, busy(0.1)),
        ]);
    }
}
