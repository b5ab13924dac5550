//! `SUBJECT OP NUMBER[UNIT]`, such as `transaction.p99 <= 20ms`.
use super::evidence::Evidence;
use super::limit::ClaimLimit;
use super::subject::{ClaimSubject, ClaimUnit, ClaimValue};
use crate::stats::LimitedBy;
use crate::wording::decimals;

/// What is asserted.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The claim as written.
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
    /// In the subject's own unit.
    Number(f64),
    /// A value of `limited_by`.
    Word(&'static str),
}

/// Longer ones first: `>=` begins with `>`.
const OPS: [(&str, ClaimOperator); 6] = [
    (">=", ClaimOperator::AtLeast),
    ("<=", ClaimOperator::AtMost),
    ("==", ClaimOperator::Is),
    ("!=", ClaimOperator::IsNot),
    (">", ClaimOperator::Above),
    ("<", ClaimOperator::Below),
];

impl std::str::FromStr for Claim {
    type Err = String;

    fn from_str(text: &str) -> Result<Claim, String> {
        let found = OPS.iter().filter_map(|(sign, op)| Some((text.find(sign)?, *sign, *op)));
        let first = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let Some((at, sign, op)) = first else {
            let expected = "expected an operator (>= <= > < == !=) and a number after the subject";
            return Err(format!("'{text}': {expected}"));
        };
        let (name, bound) = (text[..at].trim(), text[at + sign.len()..].trim());
        let subject: ClaimSubject = name.parse().map_err(|why| format!("'{text}': {why}"))?;
        let bound = match subject.unit() {
            None if matches!(op, ClaimOperator::Is | ClaimOperator::IsNot) => {
                ClaimBound::Word(subject.word(bound).map_err(|why| format!("'{text}': {why}"))?)
            }
            None => {
                return Err(format!(
                    "'{text}': {name} is not a number: expected == or !=, found {sign}"
                ));
            }
            Some(unit) => {
                let number = unit.parse(bound).map_err(|why| format!("'{text}': {why}"))?;
                ClaimBound::Number(number)
            }
        };
        Ok(Claim { text: text.trim().to_owned(), subject, op, bound })
    }
}

impl Claim {
    /// Whether it is about messages that the statistics lack.
    pub fn is_about_not_recorded(&self) -> bool {
        self.subject == ClaimSubject::NotRecorded
    }

    /// Whether it needs a header field that says when messages were sent.
    pub fn is_about_transit(&self) -> bool {
        matches!(self.subject, ClaimSubject::Transit(_))
    }

    /// The client that has the highest figure, where the claim is about limits of clients.
    fn client(&self, evidence: &Evidence) -> Option<String> {
        self.limit()?.client(evidence.limits.as_ref()?)
    }

    /// Which limit of clients it is about.
    pub fn limit(&self) -> Option<ClaimLimit> {
        match self.subject {
            ClaimSubject::Limits(limit) => Some(limit),
            _ => None,
        }
    }

    /// Whether it says that nothing came: it holds of none, and not of one.
    pub fn is_about_absence(&self) -> bool {
        let ClaimBound::Number(bound) = self.bound else { return false };
        self.subject.counts_traffic() && self.op.holds(0.0, bound) && !self.op.holds(1.0, bound)
    }

    /// The error says what was found, and by how much it misses; or why there is nothing that the
    /// claim could be true of.
    pub fn check(&self, evidence: &Evidence) -> Result<(), String> {
        let gathered = &evidence.gathered;
        let is_lacking_all = self.is_about_not_recorded() && gathered.not_recorded > Some(0);
        // Limits know of connections that did nothing in the span.
        let is_about_limits = self.limit().is_some();
        let is_exempt = self.is_about_absence() || is_lacking_all || is_about_limits;
        if gathered.history.is_without_traffic() && !is_exempt {
            return Err("nothing was recorded: no connection, no message, no reply".into());
        }
        match (self.subject.of(evidence)?, self.bound) {
            (ClaimValue::Word(found), ClaimBound::Word(wanted)) => {
                let undecided = LimitedBy::Undecided.name();
                if found == undecided && wanted != undecided {
                    // Any of the others may have been the limit.
                    return Err(format!("it is {found}: {}", gathered.verdict.because));
                }
                match self.op.holds_of_words(found, wanted) {
                    true => Ok(()),
                    false => Err(format!("it is {found}")),
                }
            }
            (ClaimValue::Number(found), ClaimBound::Number(bound)) => {
                if self.op.holds(found, bound) {
                    return Ok(());
                }
                let unit = self.subject.unit().unwrap_or(ClaimUnit::None);
                let client = self.client(evidence).map(|client| format!(", by {client}"));
                let by_whom = client.unwrap_or_default();
                Err(format!("it is {}{}{by_whom}", unit.text(found), missed(found, bound)))
            }
            _ => unreachable!("a subject's bound has its kind"),
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

    fn holds_of_words(self, found: &str, wanted: &str) -> bool {
        (found == wanted) == (self == ClaimOperator::Is)
    }
}

fn missed(found: f64, bound: f64) -> String {
    let by = found - bound;
    match by {
        0.0 => String::new(),
        _ if bound == 0.0 => format!(", {} off", decimals(by.abs())),
        _ => {
            let side = if by > 0.0 { "above" } else { "below" };
            format!(", {}% {side} the bound", decimals((100.0 * by / bound).abs()))
        }
    }
}

/// A claim, and how it fared.
pub struct CheckedClaim {
    /// The claim.
    pub claim: Claim,
    /// Why it doesn't hold.
    pub failure: Option<String>,
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
            assert_eq!(claim.bound, ClaimBound::Number(number), "{text}");
        }
        for (text, says) in [
            ("", "an operator (>= <= > < == !=)"),
            ("rate.median", "an operator (>= <= > < == !=)"),
            ("rate.midian > 1", "(mean, median, max), found 'midian'; did you mean 'median'?"),
            ("rate > 1", "mean, median, max"),
            (
                "nothing.p99 > 1",
                "expected a subject, found 'nothing'; list: sinkctl assert --subjects",
            ),
            ("transactions.p99 > 1", "; did you mean 'transaction_us' or 'transit'? (list"),
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
            let error = text.parse::<Claim>().unwrap_err();
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
    fn what_misses_says_by_how_much() {
        assert_eq!(missed(110.0, 100.0), ", 10% above the bound");
        assert_eq!(missed(1.0, 3.0), ", 66.667% below the bound");
        assert_eq!(missed(7.0, 0.0), ", 7 off");
        assert!(ClaimOperator::AtLeast.holds(1.0, 1.0) && !ClaimOperator::Above.holds(1.0, 1.0));
    }
}
