//! `SUBJECT OP NUMBER[UNIT]`, such as `transaction.p99 <= 20ms`.
use super::error::{ClaimError, ClaimFault};
use super::evidence::Evidence;
use super::failure::ClaimFailure;
use super::limit::ClaimLimit;
use super::subject::{ClaimFigure, ClaimSubject, verdict};
use crate::analysis::statistics::RunStatistics;
use crate::analysis::verdict_sentence::verdict_sentence;
use crate::stats::LimitedBy;

/// A claim about the figures of a run, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The claim as the user wrote it, for reports.
    pub text: String,
    statement: ClaimStatement,
}

/// What a claim says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ClaimStatement {
    Figure(FigureStatement),
    /// The verdict is this one.
    LimitedBy(LimitedBy),
    /// The verdict is another one.
    NotLimitedBy(LimitedBy),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct FigureStatement {
    figure: ClaimFigure,
    op: ClaimOperator,
    /// In the figure's unit.
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimOperator {
    AtLeast,
    AtMost,
    Above,
    Below,
    Is,
    IsNot,
}

/// All operators. If two begin at the same position, the longer one counts: `>=` begins with `>`.
const OPS: [(&str, ClaimOperator); 6] = [
    (">=", ClaimOperator::AtLeast),
    ("<=", ClaimOperator::AtMost),
    ("==", ClaimOperator::Is),
    ("!=", ClaimOperator::IsNot),
    (">", ClaimOperator::Above),
    ("<", ClaimOperator::Below),
];

impl std::str::FromStr for Claim {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Claim, ClaimError> {
        parse(text).map_err(|fault| ClaimError { claim: text.to_owned(), fault })
    }
}

fn parse(text: &str) -> Result<Claim, ClaimFault> {
    let found = OPS.iter().filter_map(|(sign, op)| Some((text.find(sign)?, *sign, *op)));
    let first = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
    let (at, sign, op) = first.ok_or(ClaimFault::Operator)?;
    let (name, bound) = (text[..at].trim(), text[at + sign.len()..].trim());
    let statement = match (name.parse()?, op) {
        (ClaimSubject::Figure(figure), op) => {
            let bound = figure.unit().parse(bound)?;
            ClaimStatement::Figure(FigureStatement { figure, op, bound })
        }
        (ClaimSubject::LimitedBy, ClaimOperator::Is) => ClaimStatement::LimitedBy(verdict(bound)?),
        (ClaimSubject::LimitedBy, ClaimOperator::IsNot) => {
            ClaimStatement::NotLimitedBy(verdict(bound)?)
        }
        (ClaimSubject::LimitedBy, _) => {
            return Err(ClaimFault::Order { subject: name.to_owned(), operator: sign });
        }
    };
    Ok(Claim { text: text.trim().to_owned(), statement })
}

impl Claim {
    /// Returns whether the claim is about messages that the statistics lack.
    pub fn is_about_not_recorded(&self) -> bool {
        self.figure() == Some(ClaimFigure::NotRecorded)
    }

    /// Returns whether the claim needs a header field with the sending time.
    pub fn is_about_transit(&self) -> bool {
        matches!(self.figure(), Some(ClaimFigure::Transit(_)))
    }

    /// Returns the limit of clients that the claim is about; `None` if it is about something else.
    pub fn limit(&self) -> Option<ClaimLimit> {
        match self.figure() {
            Some(ClaimFigure::Limits(limit)) => Some(limit),
            _ => None,
        }
    }

    /// Returns whether the claim says that nothing arrived: it holds for 0 but not for 1.
    pub fn is_about_absence(&self) -> bool {
        let ClaimStatement::Figure(statement) = self.statement else { return false };
        statement.figure.counts_traffic() && statement.holds(0.0) && !statement.holds(1.0)
    }

    fn figure(&self) -> Option<ClaimFigure> {
        match self.statement {
            ClaimStatement::Figure(statement) => Some(statement.figure),
            ClaimStatement::LimitedBy(_) | ClaimStatement::NotLimitedBy(_) => None,
        }
    }

    /// Returns the client with the highest figure, if the claim is about limits of clients.
    fn client(&self, evidence: &Evidence) -> Option<String> {
        self.limit()?.client(evidence.limits.as_ref()?)
    }

    /// Checks the claim. The error has the value that was found and the difference from the bound,
    /// or why the value is missing.
    pub fn check(&self, evidence: &Evidence) -> Result<(), ClaimFailure> {
        let gathered = &evidence.gathered;
        let lacks_all = self.is_about_not_recorded() && gathered.not_recorded > Some(0);
        // A connection has limits even if it did nothing in the span.
        let is_about_limits = self.limit().is_some();
        let is_exempt = self.is_about_absence() || lacks_all || is_about_limits;
        if gathered.history.is_without_traffic() && !is_exempt {
            return Err(ClaimFailure::NoTraffic);
        }
        let (wanted, is_met): (_, fn(LimitedBy, LimitedBy) -> bool) = match self.statement {
            ClaimStatement::Figure(statement) => return self.check_figure(statement, evidence),
            ClaimStatement::LimitedBy(wanted) => (wanted, |found, wanted| found == wanted),
            ClaimStatement::NotLimitedBy(other) => (other, |found, other| found != other),
        };
        let found = verdict_in(gathered)?;
        if found == LimitedBy::Undecided && wanted != LimitedBy::Undecided {
            // Any of the other candidates may have been the limit.
            return Err(ClaimFailure::Undecided { because: verdict_sentence(&gathered.verdict) });
        }
        if is_met(found, wanted) { Ok(()) } else { Err(ClaimFailure::Verdict(found)) }
    }

    fn check_figure(
        &self,
        statement: FigureStatement,
        evidence: &Evidence,
    ) -> Result<(), ClaimFailure> {
        let FigureStatement { figure, bound, .. } = statement;
        let found = figure.value_in(evidence)?;
        if statement.holds(found) {
            return Ok(());
        }
        let (unit, client) = (figure.unit(), self.client(evidence));
        Err(ClaimFailure::Number { found, bound, unit, client })
    }
}

/// Returns the verdict. Without messages there is none.
fn verdict_in(gathered: &RunStatistics) -> Result<LimitedBy, ClaimFailure> {
    match gathered.summary.totals.messages {
        0 => Err(ClaimFailure::NoMessage),
        _ => Ok(gathered.verdict.limited_by()),
    }
}

impl FigureStatement {
    fn holds(self, found: f64) -> bool {
        self.op.holds(found, self.bound)
    }
}

impl ClaimOperator {
    fn holds(self, found: f64, bound: f64) -> bool {
        match self {
            ClaimOperator::AtLeast => found >= bound,
            ClaimOperator::AtMost => found <= bound,
            ClaimOperator::Above => found > bound,
            ClaimOperator::Below => found < bound,
            ClaimOperator::Is => found == bound,
            ClaimOperator::IsNot => found != bound,
        }
    }
}

/// A claim, and whether it holds.
pub struct CheckedClaim {
    /// The claim that was checked.
    pub claim: Claim,
    /// Why the claim does not hold; `None` if it does.
    pub failure: Option<ClaimFailure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_parsed_or_the_fault_is_named() {
        for (text, number) in [
            ("rate.median >= 5000", 5000.0),
            ("transaction.p99 <= 20ms", 20_000.0),
            ("transaction_us.p99_9<1.5 s", 1_500_000.0),
            ("replies.5xx == 0", 0.0),
            ("totals.bytes > 10MiB", 10_485_760.0),
            ("busy.median < 90%", 0.9),
            ("message_bytes.max <= 64K", 65_536.0),
        ] {
            let claim: Claim = text.parse().unwrap();
            let ClaimStatement::Figure(statement) = claim.statement else { panic!("{text}") };
            assert_eq!(statement.bound, number, "{text}");
        }
        for (text, says) in [
            ("", "an operator (>= <= > < == !=)"),
            ("rate.median", "an operator (>= <= > < == !=)"),
            ("rate.midian > 1", "(mean, median, max), found 'midian'; did you mean 'median'?"),
            ("rate > 1", "mean, median, max"),
            ("nothing.p99 > 1", "expected a subject, found 'nothing'"),
            ("transactions.p99 > 1", "; did you mean 'transaction' or 'transit'?"),
            ("transaction.p98 > 1ms", "p50, p90"),
            ("transaction.p99 > 1", "units us, µs, ms, s, found '1'"),
            ("transaction.p99 > 1MB", "units us, µs, ms, s, found '1MB'"),
            ("totals.messages > many", "expected a number, found 'many'"),
            ("totals.messages > NaN", "expected a number, found 'NaN'"),
            ("limited_by > sink", "expected == or !=, found >"),
            (
                "limited_by != sinkk",
                "expected a verdict (sender, network, connections, sink, undecided), found \
                 'sinkk'; did you mean 'sink'?",
            ),
            ("limited_by == ", "expected a verdict"),
            ("limited_by.sink == sink", "limited_by has no figures"),
            ("not_recorded.count == 0", "not_recorded has no figures"),
            ("replies.9zz > 1", "expected replies such as 5xx, 45x or 452, found '9zz'"),
        ] {
            let error = text.parse::<Claim>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_claim_is_about_absence_if_it_holds_of_none_and_not_of_one() {
        for (text, is_about) in [
            ("totals.messages == 0", true),
            ("totals.bytes < 1", true),
            ("transaction.count <= 0", true),
            ("totals.messages <= 100", false),
            ("totals.messages >= 0", false),
            ("totals.messages > 0", false),
            ("totals.refused == 0", false),
            ("replies.5xx == 0", false),
            ("not_recorded == 0", false),
            ("limited_by != sink", false),
        ] {
            assert_eq!(text.parse::<Claim>().unwrap().is_about_absence(), is_about, "{text}");
        }
    }

    #[test]
    fn a_bound_itself_is_at_least_the_bound_and_not_above_it() {
        assert!(ClaimOperator::AtLeast.holds(1.0, 1.0) && !ClaimOperator::Above.holds(1.0, 1.0));
    }
}
