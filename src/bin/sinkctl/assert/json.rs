//! The rows of `assert --json`.
use serde::Serialize;
use sinkd::analysis::claims::{CheckedClaim, ClaimFailure};

use super::advice::reason;

/// A claim and its outcome. Keys keep their meaning.
#[derive(Debug, Serialize)]
pub struct ClaimRow<'a> {
    claim: &'a str,
    outcome: ClaimOutcome,
    /// Why the claim does not hold, or cannot be decided.
    reason: Option<String>,
    /// The messages that a claim about transit leaves out, and why.
    left_out: Option<String>,
}

/// What is known about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    /// It holds.
    Holds,
    /// It does not hold.
    DoesNotHold,
    /// The data does not decide it.
    Undecided,
}

impl ClaimOutcome {
    pub fn of(failure: Option<&ClaimFailure>) -> ClaimOutcome {
        match failure {
            None => ClaimOutcome::Holds,
            Some(ClaimFailure::Verdict(_) | ClaimFailure::Number { .. }) => {
                ClaimOutcome::DoesNotHold
            }
            Some(_) => ClaimOutcome::Undecided,
        }
    }
}

impl<'a> ClaimRow<'a> {
    pub fn new(checked: &'a CheckedClaim, left_out: Option<String>) -> ClaimRow<'a> {
        let failure = checked.failure.as_ref();
        ClaimRow {
            claim: &checked.claim.text,
            outcome: ClaimOutcome::of(failure),
            reason: failure.map(reason),
            left_out,
        }
    }
}
