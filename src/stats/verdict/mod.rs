//! What limited a run: the decision, its evidence and its reason as one word.
mod budget;
mod calibration;
mod decision;
mod evidence;
mod headroom;
mod limited_by;
mod reason;

pub use budget::Shares;
pub use calibration::{Calibrated, Calibration, Ceiling, Shape};
pub use evidence::{RecordedAmount, VerdictEvidence};
pub use headroom::Headroom;
pub use limited_by::LimitedBy;
pub use reason::VerdictReason;

use crate::stats::reading::{History, RunSummary};
use budget::Budget;
use decision::{STARVED_SHARE, decide, decide_for_sender, shortage};

/// Maximum round trip time within a machine, in µs.
const LOCAL_RTT_US: u64 = 100;
/// Share of the measured ceiling from which the machine counts as being at its ceiling.
const CEILING_SHARE: f64 = 0.9;

/// The verdict on what limited a run, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The decisive fact, with the figures that show it.
    pub evidence: VerdictEvidence,
    /// How the time of the connections was spent, as parts of 1.
    pub shares: Shares,
    /// The average number of connections in use, without idle ones.
    pub connections: f64,
    /// The median of the connections' minimum round trip times, in µs.
    pub rtt_min_us: u64,
    /// The capacity that the sink had left.
    pub headroom: Headroom,
    /// The comparison with a measured ceiling; `None` if none is similar.
    pub calibrated: Option<Calibrated>,
    /// Whether there were enough messages and seconds.
    pub is_enough: bool,
}

impl Verdict {
    /// Returns the decisive fact, for programs.
    pub fn reason(&self) -> VerdictReason {
        self.evidence.reason()
    }

    /// Returns what kept the run from being faster.
    pub fn limited_by(&self) -> LimitedBy {
        self.reason().limited_by()
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
        let evidence = if history.is_of_sender() {
            decide_for_sender(&budget, &headroom)
        } else {
            decide(&budget, &headroom)
        };
        Verdict {
            evidence,
            shares,
            connections: budget.connections_in_use(),
            rtt_min_us: budget.rtt_us,
            headroom,
            calibrated: None,
            is_enough: shortage(&budget).is_none(),
        }
    }

    /// Compares the run with the measured capacity of the machine. If sender and sink share the
    /// machine, they reach its ceiling together, and neither counts as slow.
    pub fn calibrate(&mut self, calibrated: Calibrated) {
        let may_tell = self.is_enough && self.rtt_min_us <= LOCAL_RTT_US;
        let is_at_ceiling = calibrated.share >= CEILING_SHARE;
        if is_at_ceiling && may_tell && self.limited_by() != LimitedBy::Network {
            self.evidence = VerdictEvidence::MachineCeiling(calibrated.clone());
        }
        self.calibrated = Some(calibrated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::metrics::Metric;
    use crate::stats::reading::Second;

    #[test]
    fn a_machine_at_its_ceiling_is_reported() {
        use LimitedBy::{Network, Sender, Sink};
        let slow = VerdictEvidence::SlowAnswers {
            share: 0.9,
            answer_us: 200.0,
            is_between_messages: false,
        };
        let far = VerdictEvidence::RoundTrips { share: 0.9, rtt_us: 9000, lost_share: None };
        let limited_by = |evidence: &VerdictEvidence, rtt_min_us, share| {
            let calibrated = Calibrated { load: "plain".into(), messages_per_s: 1000.0, share };
            let mut verdict = Verdict {
                evidence: evidence.clone(),
                shares: Shares::default(),
                connections: 1.0,
                rtt_min_us,
                headroom: Headroom::default(),
                calibrated: None,
                is_enough: true,
            };
            verdict.calibrate(calibrated);
            let is_ceiling = verdict.reason() == VerdictReason::MachineCeiling;
            assert_ne!(is_ceiling, verdict.evidence == *evidence);
            verdict.limited_by()
        };
        assert_eq!(limited_by(&slow, 10, 0.9), Sink);
        assert_eq!(limited_by(&slow, 10, 0.89), Sender);
        assert_eq!(limited_by(&slow, 101, 0.9), Sender, "from elsewhere");
        assert_eq!(limited_by(&far, 10, 0.9), Network);
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
        assert_eq!(verdict.reason(), VerdictReason::OnlySenderRecords);
    }
}
