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

use super::budget::{Budget, Shares};
use super::evidence::{RecordedAmount, VerdictEvidence};
use super::headroom::{Headroom, MESSAGES_MIN, WHOLE_SECONDS_MIN};

/// Busy share at which a loop is saturated. The rest is the time that the kernel needs to deliver
/// events, and that other programs use on its core.
const SATURATED_SHARE: f64 = 0.90;
/// If the loops had no processor for this share of the time, no headroom is reported: it would
/// assume a whole core, which the loops did not have.
pub const STARVED_SHARE: f64 = 0.10;
/// Minimum share of the time for a limit: about half. With less, the other states together took
/// more of the time than this one.
const LIMITING_SHARE: f64 = 0.45;
/// Maximum round trip time in a local network, in µs: a few switches and the kernels at both ends
/// take less. A longer one indicates a slow network.
const NEAR_RTT_US: u64 = 500;

pub fn decide(budget: &Budget, headroom: &Headroom) -> VerdictEvidence {
    if budget.messages == 0 {
        return VerdictEvidence::NoMessageRecorded;
    }
    if let Some(shortage) = shortage(budget) {
        return shortage;
    }
    let shares = budget.shares();
    let found = saturation(budget, headroom)
        .or_else(|| nagle(budget))
        .or_else(|| slow_network(budget, &shares))
        .or_else(|| slow_sender(budget, &shares))
        .or_else(|| lock_step(budget, headroom));
    found.unwrap_or_else(|| {
        let starved_share = Some(budget.share(budget.starved_us));
        let starved_share = starved_share.filter(|share| *share >= STARVED_SHARE);
        VerdictEvidence::NothingStandsOut { shares, starved_share }
    })
}

/// Decides from a sender's records, which show whether the sender itself was the limit, but nothing
/// about the sink.
pub fn decide_for_sender(budget: &Budget, headroom: &Headroom) -> VerdictEvidence {
    let busy_share = headroom.busy_share;
    if budget.messages == 0 {
        VerdictEvidence::NoMessageAccepted
    } else if busy_share >= SATURATED_SHARE {
        VerdictEvidence::SenderThreadBusy { busy_share }
    } else {
        VerdictEvidence::OnlySenderRecords { busy_share }
    }
}

/// Returns the evidence that there is too little data for a verdict; `None` if there is enough.
pub fn shortage(budget: &Budget) -> Option<VerdictEvidence> {
    let Budget { messages, whole_seconds, .. } = *budget;
    let found = RecordedAmount { messages, whole_seconds };
    let least = RecordedAmount { messages: MESSAGES_MIN, whole_seconds: WHOLE_SECONDS_MIN };
    (messages < least.messages || whole_seconds < least.whole_seconds)
        .then_some(VerdictEvidence::TooLittleData { least, found })
}

/// Returns the evidence that the sender waited for acknowledgements (RFC 9293 section 3.7.4);
/// `None` if it did not.
fn nagle(budget: &Budget) -> Option<VerdictEvidence> {
    let pause_us = budget.delayed_ack_us?;
    let share = budget.share(budget.pauses_us);
    (share >= LIMITING_SHARE)
        .then_some(VerdictEvidence::DelayedAcknowledgements { share, pause_us })
}

/// Returns the evidence that the sender was slow; `None` if it was not.
fn slow_sender(budget: &Budget, shares: &Shares) -> Option<VerdictEvidence> {
    if budget.quiet_share >= LIMITING_SHARE {
        return Some(VerdictEvidence::NoConnectionInUse { share: budget.quiet_share });
    }
    let payload = budget.share(budget.payload_time().sender_us);
    if payload >= LIMITING_SHARE {
        let bytes_per_s = budget.bytes_per_s;
        return Some(VerdictEvidence::WritingPayload { share: payload, bytes_per_s });
    }
    let unread = budget.share(budget.unread_us);
    if unread >= LIMITING_SHARE {
        return Some(VerdictEvidence::UnreadReplies { share: unread });
    }
    let slow = budget.share(budget.slow_us) + budget.quiet_share;
    (slow >= LIMITING_SHARE).then(|| VerdictEvidence::SlowAnswers {
        share: shares.sender,
        answer_us: budget.answer_us(),
        is_between_messages: budget.between_us > budget.sender_us / 2.0,
    })
}

/// Returns the evidence that each side waited for the other; `None` if they did not.
fn lock_step(budget: &Budget, headroom: &Headroom) -> Option<VerdictEvidence> {
    let prompt_us = budget.sender_us - budget.slow_us;
    let near_us = if budget.rtt_us > NEAR_RTT_US { 0.0 } else { budget.round_trips_us };
    let taking_turns = budget.share(prompt_us + budget.sink_us + near_us);
    (taking_turns >= LIMITING_SHARE).then(|| VerdictEvidence::LockStep {
        answer_us: budget.answer_us(),
        busy_share: headroom.busy_share,
    })
}

/// Returns the evidence that the sink was saturated; `None` if it was not.
fn saturation(budget: &Budget, headroom: &Headroom) -> Option<VerdictEvidence> {
    if let Some(found) = lost_connections(budget, headroom) {
        return Some(found);
    }
    if headroom.busy_share >= SATURATED_SHARE {
        return Some(VerdictEvidence::EventLoopBusy { busy_share: headroom.busy_share });
    }
    // Whatever stops a loop also does so while it serves clients.
    let waits_us = budget.storage_us + budget.commit_us;
    let loops = budget.share(budget.sink_us - waits_us);
    let starved = budget.share(budget.starved_us + budget.slowed_us);
    if loops >= LIMITING_SHARE && starved >= loops / 2.0 {
        return Some(VerdictEvidence::NoProcessor { share: loops, starved_part: starved / loops });
    }
    let storage = budget.share(budget.storage_us);
    if storage >= LIMITING_SHARE {
        return Some(VerdictEvidence::WaitingForStorage { share: storage });
    }
    let commits = budget.share(budget.commit_us);
    if commits >= LIMITING_SHARE {
        return Some(VerdictEvidence::WaitingForCommits { share: commits });
    }
    let share = budget.share(budget.sink_us);
    (share >= SATURATED_SHARE).then_some(VerdictEvidence::WaitingForSink {
        share,
        loops,
        storage,
        commits,
    })
}

/// Returns the evidence that the sink did not serve connections; `None` if it served them.
fn lost_connections(budget: &Budget, headroom: &Headroom) -> Option<VerdictEvidence> {
    // The kernel counts for all listeners of the machine, so a few among many may not be ours.
    let overflows = headroom.accept_overflows;
    if overflows > 0 && overflows * 100 >= budget.connections {
        return Some(VerdictEvidence::AcceptQueueFull { connections: overflows });
    }
    let Budget { connections: accepted, turned_away, .. } = *budget;
    (turned_away * 10 >= accepted + turned_away && turned_away > 0)
        .then_some(VerdictEvidence::ConnectionsTurnedAway { turned_away, accepted })
}

/// Returns the evidence that the network was slow; `None` if it was not.
fn slow_network(budget: &Budget, shares: &Shares) -> Option<VerdictEvidence> {
    let is_far = budget.rtt_us > NEAR_RTT_US;
    if shares.network >= LIMITING_SHARE && (is_far || budget.is_lossy) {
        return Some(VerdictEvidence::RoundTrips {
            share: shares.network,
            rtt_us: budget.rtt_us,
            lost_share: budget.is_lossy.then(|| budget.share(budget.losses_us)),
        });
    }
    let share = budget.share(budget.payload_time().network_us);
    let bytes_per_s = budget.bytes_per_s;
    (share >= LIMITING_SHARE).then_some(VerdictEvidence::PayloadInTransit { share, bytes_per_s })
}

#[cfg(test)]
mod tests {
    use super::super::limited_by::LimitedBy;
    use super::super::reason::VerdictReason;
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
            let evidence = decide(budget, headroom);
            assert_eq!(evidence.reason().limited_by(), *expected, "{what}: {evidence:?}");
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
        let undecided =
            Budget { transfer_us: 4.0 * S, sender_us: S, slow_us: S, ..starved(4.0 * S) };
        let evidence = decide(&undecided, &busy(0.01));
        let VerdictEvidence::NothingStandsOut { starved_share: Some(share), .. } = evidence else {
            panic!("{evidence:?}");
        };
        assert_eq!(share, undecided.share(4.0 * S));
    }

    #[test]
    fn nagle_and_the_delayed_acknowledgement_are_named() {
        let paused = Budget { transfer_local_us: 9.0 * S, sender_us: S, ..ten_seconds(900.0, 8) };
        let nagle = Budget { pauses_us: 8.6 * S, delayed_ack_us: Some(43_000), ..paused };
        let evidence = decide(&nagle, &busy(0.01));
        assert!(
            matches!(
                evidence,
                VerdictEvidence::DelayedAcknowledgements { pause_us: 43_000, share } if share > 0.8
            ),
            "{evidence:?}"
        );
        let is_nagle =
            |budget| decide(budget, &busy(0.01)).reason() == VerdictReason::DelayedAcknowledgements;
        let others = Budget { delayed_ack_us: None, ..nagle };
        assert!(!is_nagle(&others));
        let few = Budget { pauses_us: 4.0 * S, ..nagle };
        assert!(!is_nagle(&few));
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
    fn a_sender_knows_whether_it_was_the_limit() {
        let some = ten_seconds(400.0, 10);
        assert_eq!(
            decide_for_sender(&some, &busy(0.89)).reason(),
            VerdictReason::OnlySenderRecords
        );
        assert_eq!(decide_for_sender(&some, &busy(0.90)).reason(), VerdictReason::SenderThreadBusy);
        let nothing = Budget::default();
        assert_eq!(decide_for_sender(&nothing, &busy(1.0)).reason(), VerdictReason::NoMessage);
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
