//! Reports for CI systems, in JUnit's XML.
use sinkd::wording::xml_escaped;

/// A test suite: all that one command has checked.
pub struct TestSuite {
    /// The program and its command.
    pub name: &'static str,
    /// The cases in the order of the report.
    pub cases: Vec<TestCase>,
}

/// One thing that was checked.
pub struct TestCase {
    /// What must hold.
    pub name: String,
    pub result: CaseResult,
}

/// The result of a test case.
pub enum CaseResult {
    Passed,
    /// It was not checked: why.
    Skipped(&'static str),
    /// It does not hold.
    Failed(CaseFault),
    /// Whether it holds is unknown.
    Error(CaseFault),
}

/// What is wrong with a test case.
pub struct CaseFault {
    pub message: String,
    /// A word by which CI systems group faults.
    pub kind: &'static str,
    /// Further lines, such as examples.
    pub details: Vec<String>,
}

impl TestSuite {
    /// Returns the report. Some CI systems read suites only inside `testsuites`.
    pub fn xml(&self) -> String {
        let count =
            |is: fn(&CaseResult) -> bool| self.cases.iter().filter(|case| is(&case.result)).count();
        let counts = format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
            self.cases.len(),
            count(|result| matches!(result, CaseResult::Failed(_))),
            count(|result| matches!(result, CaseResult::Error(_))),
        );
        let cases: String = self.cases.iter().map(TestCase::xml).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n\
             <testsuite name=\"{}\" {counts}>\n{cases}</testsuite>\n</testsuites>\n",
            self.name
        )
    }
}

impl TestCase {
    fn xml(&self) -> String {
        let content = match &self.result {
            CaseResult::Passed => String::new(),
            CaseResult::Skipped(why) => format!("<skipped message=\"{}\"/>", xml_escaped(why)),
            CaseResult::Failed(fault) => fault.xml("failure"),
            CaseResult::Error(fault) => fault.xml("error"),
        };
        let name = xml_escaped(&self.name);
        format!("  <testcase classname=\"sinkd\" name=\"{name}\">{content}</testcase>\n")
    }
}

impl CaseFault {
    fn xml(&self, element: &str) -> String {
        let message = xml_escaped(&self.message);
        let lines = self.details.iter().map(|line| xml_escaped(line) + "\n");
        let lines: String = lines.collect();
        let head = format!("<{element} message=\"{message}\" type=\"{}\"", self.kind);
        if lines.is_empty() { head + "/>" } else { format!("{head}>{lines}</{element}>") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_counts_its_cases_and_escapes_their_texts() {
        let fault = |details: &[&str]| CaseFault {
            message: "1 < 2".to_owned(),
            kind: "claim",
            details: details.iter().map(|line| (*line).to_owned()).collect(),
        };
        let case = |name: &str, result| TestCase { name: name.to_owned(), result };
        let suite = TestSuite {
            name: "sinkctl x",
            cases: vec![
                case("a", CaseResult::Passed),
                case("b", CaseResult::Skipped("nothing to check")),
                case("c > 1", CaseResult::Failed(fault(&["d & e", "f"]))),
                case("g", CaseResult::Error(fault(&[]))),
            ],
        };
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1">
<testsuite name="sinkctl x" tests="4" failures="1" errors="1">
  <testcase classname="sinkd" name="a"></testcase>
  <testcase classname="sinkd" name="b"><skipped message="nothing to check"/></testcase>
  <testcase classname="sinkd" name="c &gt; 1"><failure message="1 &lt; 2" type="claim">d &amp; e
f
</failure></testcase>
  <testcase classname="sinkd" name="g"><error message="1 &lt; 2" type="claim"/></testcase>
</testsuite>
</testsuites>
"#;
        assert_eq!(suite.xml(), expected);
    }
}
