//! The time outside of which a query is true of nothing.
use std::ops::Range;

use super::term::Term;
use super::tree::Node;

const ALL: Range<u64> = 0..u64::MAX;

/// The smallest span that the tree's bounds of time give, ns since the Unix epoch; an end of
/// `u64::MAX` means no bound. `is_negated`: the span of the tree's negation.
pub(super) fn during(node: &Node, is_negated: bool) -> Range<u64> {
    match node {
        Node::Not(node) => during(node, !is_negated),
        Node::Term(term) => of_term(term, is_negated),
        // Not all of them is any of their negations, and the other way round.
        Node::And(nodes) if !is_negated => {
            nodes.iter().map(|n| during(n, false)).fold(ALL, |a, b| both(&a, &b))
        }
        Node::Or(nodes) if is_negated => {
            nodes.iter().map(|n| during(n, true)).fold(ALL, |a, b| both(&a, &b))
        }
        Node::And(nodes) | Node::Or(nodes) => {
            let spans = nodes.iter().map(|n| during(n, is_negated));
            spans.reduce(|a, b| around(&a, &b)).unwrap_or(0..0)
        }
    }
}

fn of_term(term: &Term, is_negated: bool) -> Range<u64> {
    match (term, is_negated) {
        (Term::Before(at_ns), false) | (Term::After(at_ns), true) => 0..*at_ns,
        (Term::After(at_ns), false) | (Term::Before(at_ns), true) => *at_ns..u64::MAX,
        (Term::Run(_, during), false) => during.clone(),
        _ => ALL,
    }
}

fn both(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// The smallest that has both; an empty one adds nothing.
fn around(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}
