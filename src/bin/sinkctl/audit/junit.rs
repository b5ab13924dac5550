//! The report that CI systems read: JUnit's XML.
use sinkd::analysis::audit::{AuditFigures, Offender, Verdict};
use sinkd::plot::escape;

use super::checks::checks;
use super::csv::message;
use super::listed::Listed;

/// One test suite, a test case for each thing that was checked.
pub fn xml(figures: &AuditFigures, listed: &Listed) -> String {
    let checks = checks(figures);
    let failures = checks.iter().filter(|check| check.faults > 0).count();
    let is_conclusive = figures.verdict != Verdict::Inconclusive;
    let (tests, errors) = (checks.len() + usize::from(!is_conclusive), usize::from(!is_conclusive));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"sinkctl audit\" \
         tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n"
    );
    for check in &checks {
        xml += &format!("  <testcase classname=\"sinkd\" name=\"{}\"", check.claim);
        if check.faults == 0 {
            xml += "/>\n";
            continue;
        }
        let kept = listed.of(check.fault).map_or(&[][..], |kind| &kind.kept);
        let lines: Vec<String> = kept.iter().map(line).collect();
        xml += &format!(
            "><failure message=\"{}\">{}</failure></testcase>\n",
            escape(&check.phrase),
            escape(&lines.join("\n"))
        );
    }
    if !is_conclusive {
        let doubts = escape(&figures.doubts.join("; "));
        let name = "the audit is conclusive";
        xml += &format!(
            "  <testcase classname=\"sinkd\" name=\"{name}\"><error message=\"{doubts}\"/>\
             </testcase>\n"
        );
    }
    xml + "</testsuite>\n"
}

/// An offender on one line. XML has no place for control characters.
fn line(offender: &Offender) -> String {
    let messages = offender.messages.iter().map(message);
    let parts = [offender.recipient.clone()].into_iter().chain(messages);
    let parts = parts.chain(offender.detail.clone());
    let text = parts.collect::<Vec<_>>().join(" ");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
