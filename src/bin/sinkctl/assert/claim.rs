//! `SUBJECT OP NUMBER[UNIT]`, such as `transaction.p99 <= 20ms`.
use super::number;
use super::subject::{Subject, Unit, Value};
use crate::stats::Gathered;

/// What is asserted.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// As it was written.
    pub text: String,
    subject: Subject,
    op: Op,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    AtLeast,
    AtMost,
    Above,
    Below,
    Is,
    IsNot,
}

#[derive(Debug, Clone, PartialEq)]
enum Bound {
    /// In the subject's own unit.
    Number(f64),
    /// Of `limited_by`.
    Word(String),
}

/// Longer ones first: `>=` begins with `>`.
const OPS: [(&str, Op); 6] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("==", Op::Is),
    ("!=", Op::IsNot),
    (">", Op::Above),
    ("<", Op::Below),
];

impl std::str::FromStr for Claim {
    type Err = String;

    fn from_str(text: &str) -> Result<Claim, String> {
        let found = OPS.iter().filter_map(|(sign, op)| Some((text.find(sign)?, *sign, *op)));
        let first = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let Some((at, sign, op)) = first else {
            return Err(format!("'{text}': expected one of >= <= > < == !="));
        };
        let (name, bound) = (text[..at].trim(), text[at + sign.len()..].trim());
        let subject: Subject = name.parse().map_err(|why| format!("'{text}': {why}"))?;
        let bound = match subject.unit() {
            None if matches!(op, Op::Is | Op::IsNot) => Bound::Word(bound.to_owned()),
            None => return Err(format!("'{text}': {name} is a word: == or !=")),
            Some(unit) => {
                let number = unit.parse(bound).map_err(|why| format!("'{text}': {why}"))?;
                Bound::Number(number)
            }
        };
        Ok(Claim { text: text.trim().to_owned(), subject, op, bound })
    }
}

impl Claim {
    /// The error says what was found, and by how much it misses.
    pub fn check(&self, gathered: &Gathered) -> Result<(), String> {
        match (self.subject.of(gathered)?, &self.bound) {
            (Value::Word(found), Bound::Word(wanted)) => {
                match self.op.holds_of_words(found, wanted) {
                    true => Ok(()),
                    false => Err(format!("it is {found}")),
                }
            }
            (Value::Number(found), Bound::Number(bound)) => {
                if self.op.holds(found, *bound) {
                    return Ok(());
                }
                let unit = self.subject.unit().unwrap_or(Unit::None);
                Err(format!("it is {}{}", unit.text(found), missed(found, *bound)))
            }
            _ => unreachable!("a subject's bound has its kind"),
        }
    }
}

impl Op {
    fn holds(self, found: f64, bound: f64) -> bool {
        match self {
            Op::AtLeast => found >= bound,
            Op::AtMost => found <= bound,
            Op::Above => found > bound,
            Op::Below => found < bound,
            Op::Is => found == bound,
            Op::IsNot => found != bound,
        }
    }

    fn holds_of_words(self, found: &str, wanted: &str) -> bool {
        (found == wanted) == (self == Op::Is)
    }
}

fn missed(found: f64, bound: f64) -> String {
    let by = found - bound;
    match by {
        0.0 => String::new(),
        _ if bound == 0.0 => format!(", {} off", number(by.abs())),
        _ => {
            let side = if by > 0.0 { "above" } else { "below" };
            format!(", {} % {side} the bound", number((100.0 * by / bound).abs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_or_what_is_wrong_is_said() {
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
            assert_eq!(claim.bound, Bound::Number(number), "{text}");
        }
        for (text, says) in [
            ("", "expected one of"),
            ("rate.median", "expected one of"),
            ("rate.midian > 1", "mean, median, max"),
            ("rate > 1", "mean, median, max"),
            ("nothing.p99 > 1", "no subject"),
            ("transaction.p98 > 1ms", "p50, p90"),
            ("transaction.p99 > 1", "us, ms, s"),
            ("transaction.p99 > 1MB", "us, ms, s"),
            ("totals.messages > many", "expected a number"),
            ("totals.messages > NaN", "expected a number"),
            ("limited_by > sink", "== or !="),
            ("replies.9zz > 1", "a reply"),
        ] {
            let error = text.parse::<Claim>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn what_misses_says_by_how_much() {
        assert_eq!(missed(110.0, 100.0), ", 10 % above the bound");
        assert_eq!(missed(1.0, 3.0), ", 66.667 % below the bound");
        assert_eq!(missed(7.0, 0.0), ", 7 off");
        assert!(Op::AtLeast.holds(1.0, 1.0) && !Op::Above.holds(1.0, 1.0));
    }
}
