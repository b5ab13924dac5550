//! `SUBJECT OP NUMBER[UNIT]`, such as `transaction.p99 <= 20ms`.
use super::error::{ClaimError, ClaimFault};
use super::evidence::Evidence;
use super::failure::ClaimFailure;
use super::limit::ClaimLimit;
use super::subject::{ClaimSubject, ClaimValue, verdict};
use super::unit::ClaimUnit;
use crate::analysis::verdict_sentence::verdict_sentence;
use crate::stats::{LimitedBy, Verdict};

/// A claim about the figures of a run, parsed. Its bound is in the unit of its subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The claim as the user wrote it, for reports.
    pub text: String,
    subject: ClaimSubject,
    op: ClaimOperator,
    bound: ClaimBound,
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum ClaimBound {
    Number {
        value: f64,
        /// The subject's own unit.
        unit: ClaimUnit,
    },
    /// A verdict that `limited_by` is compared with.
    Verdict(LimitedBy),
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
    let subject: ClaimSubject = name.parse()?;
    let bound = match subject.unit() {
        Some(unit) => ClaimBound::Number { value: unit.parse(bound)?, unit },
        None if op.is_of_verdicts() => ClaimBound::Verdict(verdict(bound)?),
        None => return Err(ClaimFault::Order { subject: name.to_owned(), operator: sign }),
    };
    Ok(Claim { text: text.trim().to_owned(), subject, op, bound })
}

impl Claim {
    /// Returns whether the claim is about messages that the statistics lack.
    pub fn is_about_not_recorded(&self) -> bool {
        self.subject == ClaimSubject::NotRecorded
    }

    /// Returns whether the claim needs a header field with the sending time.
    pub fn is_about_transit(&self) -> bool {
        matches!(self.subject, ClaimSubject::Transit(_))
    }

    /// Returns the client with the highest figure, if the claim is about limits of clients.
    fn client(&self, evidence: &Evidence) -> Option<String> {
        self.limit()?.client(evidence.limits.as_ref()?)
    }

    /// Returns the limit of clients that the claim is about; `None` if it is about something else.
    pub fn limit(&self) -> Option<ClaimLimit> {
        match self.subject {
            ClaimSubject::Limits(limit) => Some(limit),
            _ => None,
        }
    }

    /// Returns whether the claim says that nothing arrived: it holds for 0 but not for 1.
    pub fn is_about_absence(&self) -> bool {
        let ClaimBound::Number { value: bound, .. } = self.bound else { return false };
        self.subject.counts_traffic() && self.op.holds(0.0, bound) && !self.op.holds(1.0, bound)
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
        match (self.subject.value_in(evidence)?, self.bound) {
            (ClaimValue::Verdict(found), ClaimBound::Verdict(wanted)) => {
                self.check_verdict(found, wanted, &gathered.verdict)
            }
            (ClaimValue::Number(found), ClaimBound::Number { value: bound, unit }) => {
                if self.op.holds(found, bound) {
                    return Ok(());
                }
                Err(ClaimFailure::Number { found, bound, unit, client: self.client(evidence) })
            }
            _ => unreachable!("a subject's bound has its kind"),
        }
    }

    fn check_verdict(
        &self,
        found: LimitedBy,
        wanted: LimitedBy,
        verdict: &Verdict,
    ) -> Result<(), ClaimFailure> {
        if found == LimitedBy::Undecided && wanted != LimitedBy::Undecided {
            // Any of the other candidates may have been the limit.
            return Err(ClaimFailure::Undecided { because: verdict_sentence(verdict) });
        }
        if self.op.holds_of_verdicts(found, wanted) {
            Ok(())
        } else {
            Err(ClaimFailure::Verdict(found))
        }
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

    /// Returns whether the operator can compare verdicts, which have no order.
    fn is_of_verdicts(self) -> bool {
        matches!(self, ClaimOperator::Is | ClaimOperator::IsNot)
    }

    fn holds_of_verdicts(self, found: LimitedBy, wanted: LimitedBy) -> bool {
        (found == wanted) == (self == ClaimOperator::Is)
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
            let ClaimBound::Number { value, .. } = claim.bound else { panic!("{text}") };
            assert_eq!(value, number, "{text}");
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
