//! Computes the span of time outside of which a query matches nothing.
use std::ops::Range;

use super::term::Term;
use super::tree::Node;

const ALL: Range<u64> = 0..u64::MAX;

/// Returns the smallest span implied by the tree's time conditions, in ns since the Unix epoch.
/// `u64::MAX` as its end means no bound.
pub(super) fn during(node: &Node) -> Range<u64> {
    match node {
        Node::Not(node) => during_negation_of(node),
        Node::And(nodes) => intersection(nodes.iter().map(during)),
        Node::Or(nodes) => hull(nodes.iter().map(during)),
        Node::Term(term) => match &**term {
            Term::Before(at_ns) => 0..*at_ns,
            Term::After(at_ns) => *at_ns..u64::MAX,
            Term::Run(_, during) => during.clone(),
            _ => ALL,
        },
    }
}

/// Returns the span of the tree's negation. By De Morgan, the negation of "and" is the "or" of the
/// negations, and vice versa.
fn during_negation_of(node: &Node) -> Range<u64> {
    match node {
        Node::Not(node) => during(node),
        Node::And(nodes) => hull(nodes.iter().map(during_negation_of)),
        Node::Or(nodes) => intersection(nodes.iter().map(during_negation_of)),
        Node::Term(term) => match &**term {
            Term::Before(at_ns) => *at_ns..u64::MAX,
            Term::After(at_ns) => 0..*at_ns,
            // The time outside of a run is two spans.
            _ => ALL,
        },
    }
}

fn intersection(spans: impl Iterator<Item = Range<u64>>) -> Range<u64> {
    spans.fold(ALL, |a, b| {
        let start = a.start.max(b.start);
        start..a.end.min(b.end).max(start)
    })
}

/// Returns the smallest span that contains all. Empty spans add nothing.
fn hull(spans: impl Iterator<Item = Range<u64>>) -> Range<u64> {
    let spans = spans.filter(|span| !span.is_empty());
    spans.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}
