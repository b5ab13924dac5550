//! Computes the span of time outside of which a query matches nothing.
use super::term::Term;
use super::tree::Node;
use crate::time::{Span, UnixNs};

/// Returns a span that includes every time allowed by the tree's time conditions.
pub(super) fn during(node: &Node) -> Span {
    match node {
        Node::Not(node) => during_negation_of(node),
        Node::And(nodes) => intersection(nodes.iter().map(during)),
        Node::Or(nodes) => hull(nodes.iter().map(during)),
        Node::Term(term) => match &**term {
            Term::Before(at_ns) => before(*at_ns),
            Term::After(at_ns) => from(*at_ns),
            Term::Run(_, during) => *during,
            _ => Span::ALL,
        },
    }
}

/// Returns the span of the tree's negation. By De Morgan, the negation of "and" is the "or" of the
/// negations, and vice versa.
fn during_negation_of(node: &Node) -> Span {
    match node {
        Node::Not(node) => during(node),
        Node::And(nodes) => hull(nodes.iter().map(during_negation_of)),
        Node::Or(nodes) => intersection(nodes.iter().map(during_negation_of)),
        Node::Term(term) => match &**term {
            Term::Before(at_ns) => from(*at_ns),
            Term::After(at_ns) => before(*at_ns),
            // The time outside of a run is two spans.
            _ => Span::ALL,
        },
    }
}

fn before(at_ns: UnixNs) -> Span {
    Span { until_ns: Some(at_ns), ..Span::ALL }
}

fn from(at_ns: UnixNs) -> Span {
    Span { since_ns: Some(at_ns), ..Span::ALL }
}

fn intersection(spans: impl Iterator<Item = Span>) -> Span {
    spans.fold(Span::ALL, Span::intersection)
}

fn hull(spans: impl Iterator<Item = Span>) -> Span {
    spans.fold(Span::EMPTY, Span::hull)
}
