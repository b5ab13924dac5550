//! The verdict on what limited a run, as a sentence.
use crate::stats::{Calibrated, RecordedAmount, Shares, Verdict, VerdictEvidence};
use crate::wording::{duration, whole, whole_percent as percent};

/// Returns one sentence with the figures that show a verdict, without a capital and a full stop.
pub fn verdict_sentence(verdict: &Verdict) -> String {
    let shown = sentence(&verdict.evidence);
    match (&verdict.evidence, &verdict.calibrated) {
        (VerdictEvidence::MachineCeiling(_), _) | (_, None) => shown,
        (_, Some(calibrated)) => format!("{shown}; {}", part_of_ceiling(calibrated)),
    }
}

fn sentence(evidence: &VerdictEvidence) -> String {
    use VerdictEvidence::*;
    match evidence {
        NoMessageRecorded => "no message was recorded".into(),
        NoMessageAccepted => "no message was accepted".into(),
        TooLittleData { least, found } => too_little(least, found),
        NothingStandsOut { shares, starved_share } => nothing_stands_out(shares, *starved_share),
        OnlySenderRecords { busy_share } => only_sender_records(*busy_share),
        DelayedAcknowledgements { share, pause_us } => delayed_acknowledgements(*share, *pause_us),
        NoConnectionInUse { share } => {
            format!("{} of the time it had no connection in use", percent(*share))
        }
        WritingPayload { share, bytes_per_s } => format!(
            "{} of the time it was writing payload, at {:.1} MB/s in all",
            percent(*share),
            bytes_per_s / 1e6
        ),
        UnreadReplies { share } => {
            format!("{} of the time it did not read its replies", percent(*share))
        }
        SlowAnswers { share, answer_us, is_between_messages } => format!(
            "the sink waited for the sender {} of the time{}, {} for each answer",
            percent(*share),
            if *is_between_messages { ", mostly between messages" } else { "" },
            duration(*answer_us)
        ),
        SenderThreadBusy { busy_share } => format!(
            "its busiest thread was busy for {} of the time: it cannot send faster",
            percent(*busy_share)
        ),
        RoundTrips { share, rtt_us, lost_share } => round_trips(*share, *rtt_us, *lost_share),
        PayloadInTransit { share, bytes_per_s } => format!(
            "{} of the time payload was on its way, at {:.1} MB/s in all",
            percent(*share),
            bytes_per_s / 1e6
        ),
        LockStep { answer_us, busy_share } => lock_step(*answer_us, *busy_share),
        AcceptQueueFull { connections } => {
            format!("{connections} connections found the accept queue full")
        }
        ConnectionsTurnedAway { turned_away, accepted } => format!(
            "{turned_away} connections were turned away with 421, and {accepted} were accepted: \
             the sink reached its own limit of connections"
        ),
        EventLoopBusy { busy_share } => {
            format!("its busiest loop was busy for {} of the time", percent(*busy_share))
        }
        NoProcessor { share, starved_part } => no_processor(*share, *starved_part),
        WaitingForStorage { share } => {
            format!(
                "for {} of the time, payload waited for room in the sink's log",
                percent(*share)
            )
        }
        WaitingForCommits { share } => waiting_for_commits(*share),
        WaitingForSink { share, loops, storage, commits } => {
            let [share, loops, storage, commits] =
                [share, loops, storage, commits].map(|share| percent(*share));
            format!(
                "{share} of the time clients waited for it: {loops} for its loops, {storage} for \
                 room in its log, {commits} for commits"
            )
        }
        MachineCeiling(calibrated) => format!("it reached {}", part_of_ceiling(calibrated)),
    }
}

fn only_sender_records(busy_share: f64) -> String {
    format!(
        "these are only the sender's records (its busiest thread was {} busy): the target's \
         records show the cause",
        percent(busy_share)
    )
}

fn delayed_acknowledgements(share: f64, pause_us: u64) -> String {
    format!(
        "{} of the time it paused within commands or payloads, {} each: its Nagle algorithm waits \
         for a delayed acknowledgement; set TCP_NODELAY in the sender, or write each command or \
         message with one call",
        percent(share),
        duration(pause_us as f64)
    )
}

fn lock_step(answer_us: f64, busy_share: f64) -> String {
    format!(
        "the next command came {} after each reply on average; the sink's loops were {} busy: \
         more connections would raise the rate",
        duration(answer_us),
        percent(busy_share)
    )
}

fn no_processor(share: f64, starved_part: f64) -> String {
    format!(
        "{} of the time clients waited for its loops, {} of it for loops that were ready and had \
         no processor: something else runs on their cores, or sinkd was stopped",
        percent(share),
        percent(starved_part)
    )
}

fn waiting_for_commits(share: f64) -> String {
    format!(
        "{} of the time messages waited to be committed (durability 'message', or a file of their \
         own); connections share a flush, so more of them would raise the rate",
        percent(share)
    )
}

fn too_little(least: &RecordedAmount, found: &RecordedAmount) -> String {
    let [least_messages, messages] = [least, found].map(|amount| whole(amount.messages as f64));
    format!(
        "too little to tell: expected at least {least_messages} messages and {} whole seconds, \
         found {messages} and {}",
        least.whole_seconds, found.whole_seconds
    )
}

fn nothing_stands_out(shares: &Shares, starved_share: Option<f64>) -> String {
    let Shares { sender, network, sink } = shares;
    let [sender, network, sink] = [sender, network, sink].map(|share| percent(*share));
    let starved = starved_share.map_or(String::new(), |share| {
        format!("; for {} of the time, the sink's loops waited for a processor", percent(share))
    });
    format!("sender {sender}, network {network}, sink {sink} of the time{starved}")
}

fn round_trips(share: f64, rtt_us: u64, lost_share: Option<f64>) -> String {
    let losses = lost_share.map_or(String::new(), |lost| {
        format!(", segments were lost on the way: {} until they were sent again", percent(lost))
    });
    format!(
        "{} of the time was spent on a network with a round-trip time of {}{losses}",
        percent(share),
        duration(rtt_us as f64)
    )
}

fn part_of_ceiling(calibrated: &Calibrated) -> String {
    let Calibrated { load, messages_per_s, share } = calibrated;
    format!(
        "{} of the {messages_per_s:.0} messages/s that this machine reaches with such mail \
         ({load})",
        percent(*share)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Headroom;

    #[test]
    fn a_sentence_has_the_figures_of_its_evidence() {
        use VerdictEvidence::*;
        let shares = Shares { sender: 0.4, network: 0.0, sink: 0.4 };
        for (evidence, expected) in [
            (
                NothingStandsOut { shares, starved_share: None },
                "sender 40%, network 0%, sink 40% of the time",
            ),
            (
                NothingStandsOut { shares, starved_share: Some(0.4) },
                "sender 40%, network 0%, sink 40% of the time; for 40% of the time, the sink's \
                 loops waited for a processor",
            ),
            (
                DelayedAcknowledgements { share: 0.86, pause_us: 43_000 },
                "86% of the time it paused within commands or payloads, 43 ms each: its Nagle \
                 algorithm waits for a delayed acknowledgement; set TCP_NODELAY in the sender, or \
                 write each command or message with one call",
            ),
            (
                TooLittleData {
                    least: RecordedAmount { messages: 1000, whole_seconds: 5 },
                    found: RecordedAmount { messages: 999, whole_seconds: 4 },
                },
                "too little to tell: expected at least 1,000 messages and 5 whole seconds, found \
                 999 and 4",
            ),
            (
                RoundTrips { share: 0.5, rtt_us: 20_000, lost_share: Some(0.1) },
                "50% of the time was spent on a network with a round-trip time of 20 ms, segments \
                 were lost on the way: 10% until they were sent again",
            ),
        ] {
            assert_eq!(sentence(&evidence), expected);
        }
    }

    #[test]
    fn the_ceiling_of_the_machine_is_named_once() {
        let calibrated = Calibrated { load: "plain".into(), messages_per_s: 1000.0, share: 0.95 };
        let ceiling = "95% of the 1000 messages/s that this machine reaches with such mail (plain)";
        let told = |evidence| {
            verdict_sentence(&Verdict {
                evidence,
                shares: Shares::default(),
                connections: 1.0,
                rtt_min_us: 10,
                headroom: Headroom::default(),
                calibrated: Some(calibrated.clone()),
                is_enough: true,
            })
        };
        let reached = VerdictEvidence::MachineCeiling(calibrated.clone());
        assert_eq!(told(reached), format!("it reached {ceiling}"));
        let other = VerdictEvidence::NoMessageRecorded;
        assert_eq!(told(other), format!("no message was recorded; {ceiling}"));
    }
}
