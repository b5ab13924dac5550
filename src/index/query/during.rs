//! Computes the span of time outside of which a query matches nothing.
use std::ops::Range;

use super::term::Term;
use super::tree::Node;

const ALL: Range<u64> = 0..u64::MAX;

/// Returns the smallest span implied by the tree's time conditions, in ns since the Unix epoch.
/// `u64::MAX` as its end means no bound. With `is_negated`, returns the span of the tree's
/// negation.
pub(super) fn during(node: &Node, is_negated: bool) -> Range<u64> {
    match node {
        Node::Not(node) => during(node, !is_negated),
        Node::Term(term) => of_term(term, is_negated),
        // By De Morgan, the negation of "and" is the "or" of the negations, and vice versa.
        Node::And(nodes) if !is_negated => {
            nodes.iter().map(|n| during(n, false)).fold(ALL, |a, b| both(&a, &b))
        }
        Node::Or(nodes) if is_negated => {
            nodes.iter().map(|n| during(n, true)).fold(ALL, |a, b| both(&a, &b))
        }
        Node::And(nodes) | Node::Or(nodes) => {
            let spans = nodes.iter().map(|n| during(n, is_negated));
            spans.reduce(|a, b| hull(&a, &b)).unwrap_or(0..0)
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

/// Returns the smallest span that contains both. An empty span adds nothing.
fn hull(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}
