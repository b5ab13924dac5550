//! The comparison of two runs.
use super::not_comparable::NotComparable;
use super::side::ComparedRun;
use super::warning::ComparisonWarning;
use crate::stats::Comparison;

/// Two runs and their differences.
pub struct RunComparison {
    /// The run that the other is compared with.
    pub a: ComparedRun,
    /// The second run. Ratios are its figures divided by the figures of the first.
    pub b: ComparedRun,
    /// Which differences exceed the noise.
    pub comparison: Comparison,
    /// Why the figures are incomplete or have no verdict.
    pub warnings: Vec<ComparisonWarning>,
}

impl RunComparison {
    /// Compares two runs. docs/compare.md describes the method.
    ///
    /// Errors: a run has no messages, both runs are the same recording, or their kinds differ.
    pub fn compare(a: ComparedRun, b: ComparedRun) -> Result<RunComparison, NotComparable> {
        ensure_comparable(&a, &b)?;
        let comparison = Comparison::of(&a.measures, &b.measures);
        let mut warnings = [a.warnings(), b.warnings()].concat();
        warnings.extend(shared(&a, &b));
        Ok(RunComparison { a, b, comparison, warnings })
    }
}

fn ensure_comparable(a: &ComparedRun, b: &ComparedRun) -> Result<(), NotComparable> {
    for ComparedRun { letter, name, gathered, .. } in [a, b] {
        if gathered.summary.totals.messages == 0 {
            return Err(NotComparable::NoMessages { letter: *letter, name: name.clone() });
        }
    }
    if a.kind != b.kind {
        return Err(NotComparable::DifferentKinds(a.kind, b.kind));
    }
    let shared = a.measures.shared_seconds(&b.measures);
    if shared > 0 && shared == a.measures.seconds() && shared == b.measures.seconds() {
        Err(NotComparable::Same(a.name.clone(), b.name.clone()))
    } else {
        Ok(())
    }
}

fn shared(a: &ComparedRun, b: &ComparedRun) -> Option<ComparisonWarning> {
    let shared = a.measures.shared_seconds(&b.measures) as u64;
    (shared > 0).then_some(ComparisonWarning::SharedSeconds(shared))
}
