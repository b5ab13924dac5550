//! The report for CI systems.
use sinkd::analysis::claims::CheckedClaim;

use super::advice::reason;
use crate::base::junit::{CaseFault, CaseResult, TestCase, TestSuite};

/// Returns one test suite, with a test case per claim.
pub fn suite(checked: &[CheckedClaim]) -> TestSuite {
    TestSuite { name: "sinkctl assert", cases: checked.iter().map(test_case).collect() }
}

fn test_case(one: &CheckedClaim) -> TestCase {
    let result = match &one.failure {
        None => CaseResult::Passed,
        Some(why) => CaseResult::Failed(CaseFault {
            message: reason(why),
            kind: "claim",
            details: Vec::new(),
        }),
    };
    TestCase { name: one.claim.text.clone(), result }
}
