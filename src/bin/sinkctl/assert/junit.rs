//! The report for CI systems, in JUnit's XML.
use sinkd::analysis::claims::CheckedClaim;
use sinkd::wording::xml_escaped;

use super::advice::reason;

/// Returns one test suite, with a test case per claim.
pub fn xml(checked: &[CheckedClaim]) -> String {
    let failures = checked.iter().filter(|one| one.failure.is_some()).count();
    let tests = checked.len();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"sinkctl assert\" tests=\"{tests}\" failures=\"{failures}\">\n"
    );
    for one in checked {
        let name = xml_escaped(&one.claim.text);
        xml += &match &one.failure {
            None => format!("  <testcase classname=\"sinkd\" name=\"{name}\"/>\n"),
            Some(why) => format!(
                "  <testcase classname=\"sinkd\" name=\"{name}\"><failure message=\"{}\"/>\
                 </testcase>\n",
                xml_escaped(&reason(why))
            ),
        };
    }
    xml + "</testsuite>\n"
}
