//! The report for CI systems, in JUnit's XML.
use sinkd::analysis::audit::{AuditFigures, Offender};
use sinkd::wording::xml_escaped;

use super::checks::{Check, checks};
use super::csv::message;
use super::doubts::joined;
use super::listed::Listed;

/// Returns the report of an unfinished audit. It fails, so that no report of an earlier audit is
/// mistaken for this one.
pub fn unfinished() -> String {
    let error = "<error message=\"the audit did not end\" type=\"error\"/>";
    suite([1, 0, 1], &case("the audit ends", error))
}

/// Returns one test suite: a test case per check, and one for the doubts.
pub fn xml(figures: &AuditFigures, listed: &Listed) -> String {
    let checks = checks(figures);
    let failures = checks.iter().filter(|check| check.faults > 0).count();
    let mut cases: String = checks.iter().map(|check| test_case(check, listed)).collect();
    let errors = usize::from(!figures.doubts.is_empty());
    if errors > 0 {
        let doubts = xml_escaped(&joined(&figures.doubts));
        let error = format!("<error message=\"{doubts}\" type=\"doubt\"/>");
        cases += &case("nothing is in doubt", &error);
    }
    suite([checks.len() + errors, failures, errors], &cases)
}

fn suite([tests, failures, errors]: [usize; 3], cases: &str) -> String {
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n\
         <testsuite name=\"sinkctl audit\" {counts}>\n{cases}</testsuite>\n</testsuites>\n"
    )
}

fn case(name: &str, content: &str) -> String {
    format!("  <testcase classname=\"sinkd\" name=\"{name}\">{content}</testcase>\n")
}

fn test_case(check: &Check, listed: &Listed) -> String {
    if !check.is_checked {
        return case(check.claim, "<skipped message=\"nothing to check\"/>");
    }
    if check.faults == 0 {
        return case(check.claim, "");
    }
    let (phrase, fault) = (xml_escaped(&check.phrase), check.fault.name());
    let mut lines = String::new();
    if let Some(kind) = listed.kind(check.fault) {
        for offender in &kind.kept {
            lines += &xml_escaped(&line(offender));
            lines.push('\n');
        }
        let more = kind.count - kind.kept.len() as u64;
        if more > 0 {
            lines += &format!("and {more} more\n");
        }
    }
    let failure = format!("<failure message=\"{phrase}\" type=\"{fault}\">{lines}</failure>");
    case(check.claim, &failure)
}

/// Formats an offender on one line, without control characters, which XML does not allow.
fn line(offender: &Offender) -> String {
    let messages = offender.messages.iter().map(message);
    let parts = [offender.recipient.clone()].into_iter().chain(messages);
    let parts = parts.chain(offender.detail.clone());
    let text = parts.collect::<Vec<_>>().join("  ");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
