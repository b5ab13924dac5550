//! The report for CI systems.
use sinkd::analysis::audit::{AuditFigures, Offender};

use super::checks::{Check, checks};
use super::csv::message;
use super::doubts::joined;
use super::listed::Listed;
use crate::base::junit::{CaseFault, CaseResult, TestCase, TestSuite};

/// Returns the report of an unfinished audit. It fails, so that no report of an earlier audit is
/// mistaken for this one.
pub fn unfinished() -> TestSuite {
    suite(vec![error("the audit ends", "error", "the audit did not end".to_owned())])
}

/// Returns one test suite: a test case per check, and one for the doubts.
pub fn finished(figures: &AuditFigures, listed: &Listed) -> TestSuite {
    let checks = checks(figures);
    let mut cases: Vec<_> = checks.iter().map(|check| test_case(check, listed)).collect();
    if !figures.doubts.is_empty() {
        cases.push(error("nothing is in doubt", "doubt", joined(&figures.doubts)));
    }
    suite(cases)
}

fn suite(cases: Vec<TestCase>) -> TestSuite {
    TestSuite { name: "sinkctl audit", cases }
}

fn error(name: &str, kind: &'static str, message: String) -> TestCase {
    let fault = CaseFault { message, kind, details: Vec::new() };
    TestCase { name: name.to_owned(), result: CaseResult::Error(fault) }
}

fn test_case(check: &Check, listed: &Listed) -> TestCase {
    let result = match (check.is_checked, check.faults) {
        (false, _) => CaseResult::Skipped("nothing to check"),
        (true, 0) => CaseResult::Passed,
        (true, _) => CaseResult::Failed(CaseFault {
            message: check.phrase.clone(),
            kind: check.fault.name(),
            details: offenders(check, listed),
        }),
    };
    TestCase { name: check.claim.to_owned(), result }
}

/// Returns a line for each offender that was kept, and one about the others.
fn offenders(check: &Check, listed: &Listed) -> Vec<String> {
    let Some(kind) = listed.kind(check.fault) else { return Vec::new() };
    let mut lines: Vec<String> = kind.kept.iter().map(line).collect();
    let more = kind.count - kind.kept.len() as u64;
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Formats an offender on one line, without control characters, which XML does not allow.
fn line(offender: &Offender) -> String {
    let messages = offender.messages.iter().map(message);
    let parts = [offender.recipient.clone()].into_iter().chain(messages);
    let parts = parts.chain(offender.detail.clone());
    let text = parts.collect::<Vec<_>>().join("  ");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
