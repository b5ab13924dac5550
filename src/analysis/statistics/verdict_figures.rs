//! The verdict on what limited a run, for `--json`.
use serde::{Serialize, Serializer};

use crate::analysis::verdict_sentence::verdict_sentence;
use crate::stats::{Calibrated, Headroom, LimitedBy, Shares, Verdict, VerdictReason};

/// A verdict in `--json` (docs/json.md). Keys keep their meaning.
#[derive(Debug, Serialize)]
struct VerdictFigures<'a> {
    /// What kept the run from being faster.
    limited_by: LimitedBy,
    /// The decisive fact, for programs.
    reason: VerdictReason,
    /// One sentence with the figures that show it.
    because: String,
    /// How the time of the connections was spent, as parts of 1.
    shares: Shares,
    /// The average number of connections in use, without idle ones.
    connections: f64,
    /// The median of the connections' minimum round trip times, in µs.
    rtt_min_us: u64,
    /// The capacity that the sink had left.
    headroom: Headroom,
    /// The comparison with a measured ceiling; null if none is similar.
    calibrated: Option<&'a Calibrated>,
}

/// Serializes a verdict with the sentence that explains it, for `serialize_with`.
pub fn with_sentence<S: Serializer>(verdict: &Verdict, to: S) -> Result<S::Ok, S::Error> {
    let figures = VerdictFigures {
        limited_by: verdict.limited_by(),
        reason: verdict.reason(),
        because: verdict_sentence(verdict),
        shares: verdict.shares,
        connections: verdict.connections,
        rtt_min_us: verdict.rtt_min_us,
        headroom: verdict.headroom,
        calibrated: verdict.calibrated.as_ref(),
    };
    figures.serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::VerdictEvidence;

    #[test]
    fn the_limit_the_reason_and_the_sentence_come_first() {
        let verdict = Verdict {
            evidence: VerdictEvidence::NoMessageRecorded,
            shares: Shares::default(),
            connections: 1.0,
            rtt_min_us: 10,
            headroom: Headroom::default(),
            calibrated: None,
            is_enough: false,
        };
        let mut json = Vec::new();
        with_sentence(&verdict, &mut serde_json::Serializer::new(&mut json)).unwrap();
        let json = String::from_utf8(json).unwrap();
        let begin = concat!(
            r#"{"limited_by":"undecided","reason":"no_message","#,
            r#""because":"no message was recorded","shares":{"#
        );
        assert!(json.starts_with(begin), "{json}");
        assert!(json.ends_with(r#","calibrated":null}"#), "{json}");
    }
}
