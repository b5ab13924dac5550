//! The tree of a query, and its text, which parses to the same tree.
use std::fmt;

use super::term::Term;

/// A node of the tree: a term, or nodes below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// All of the nodes match. None is itself an `And`. If empty, everything matches.
    And(Vec<Node>),
    /// Any of the nodes matches; there are at least two. None is itself an `Or`.
    Or(Vec<Node>),
    Not(Box<Node>),
    Term(Box<Term>),
}

impl Node {
    /// Returns the conjunction of `nodes`, of which there is at least one. Nested conjunctions are
    /// flattened, and a single node is returned as it is.
    pub(super) fn all(nodes: Vec<Node>) -> Node {
        let parts = |node| match node {
            Node::And(inner) => inner,
            other => vec![other],
        };
        let mut flat: Vec<Node> = nodes.into_iter().flat_map(parts).collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::And(flat) }
    }

    /// Returns the disjunction of `nodes`, of which there is at least one. Nested disjunctions are
    /// flattened, and a single node is returned as it is.
    pub(super) fn any(nodes: Vec<Node>) -> Node {
        let parts = |node| match node {
            Node::Or(inner) => inner,
            other => vec![other],
        };
        let mut flat: Vec<Node> = nodes.into_iter().flat_map(parts).collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::Or(flat) }
    }

    /// Returns whether matching may need more than the columns of a message.
    pub(super) fn needs_message(&self) -> bool {
        self.has(Term::needs_message)
    }

    /// Returns whether matching may need more than the header of a message.
    pub(super) fn needs_body(&self) -> bool {
        self.has(Term::needs_body)
    }

    /// Returns whether `is_sought` returns true for any term.
    fn has(&self, is_sought: fn(&Term) -> bool) -> bool {
        match self {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(|node| node.has(is_sought)),
            Node::Not(node) => node.has(is_sought),
            Node::Term(term) => is_sought(term),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::And(nodes) => joined(f, nodes, " ", |n| matches!(n, Node::Or(_))),
            Node::Or(nodes) => joined(f, nodes, " OR ", |_| false),
            Node::Not(node) if matches!(**node, Node::And(_) | Node::Or(_)) => {
                write!(f, "-({node})")
            }
            Node::Not(node) => write!(f, "-{node}"),
            Node::Term(term) => term.fmt(f),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    nodes: &[Node],
    between: &str,
    in_parentheses: impl Fn(&Node) -> bool,
) -> fmt::Result {
    for (number, node) in nodes.iter().enumerate() {
        if number > 0 {
            f.write_str(between)?;
        }
        if in_parentheses(node) {
            write!(f, "({node})")?;
        } else {
            write!(f, "{node}")?;
        }
    }
    Ok(())
}
