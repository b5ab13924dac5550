//! A query as a tree, and the tree as a text that parses to the same tree.
use std::fmt;

use super::term::Term;

/// What must be true of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// All of them; none stands right in another one. Empty: true of everything.
    And(Vec<Node>),
    /// Any of them, at least two; none stands right in another one.
    Or(Vec<Node>),
    Not(Box<Node>),
    Term(Box<Term>),
}

impl Node {
    /// All of `nodes`, which are one or more.
    pub(super) fn all(nodes: Vec<Node>) -> Node {
        let parts = |node| match node {
            Node::And(inner) => inner,
            other => vec![other],
        };
        let mut flat: Vec<Node> = nodes.into_iter().flat_map(parts).collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::And(flat) }
    }

    /// Any of `nodes`, which are one or more.
    pub(super) fn any(nodes: Vec<Node>) -> Node {
        let parts = |node| match node {
            Node::Or(inner) => inner,
            other => vec![other],
        };
        let mut flat: Vec<Node> = nodes.into_iter().flat_map(parts).collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::Or(flat) }
    }

    /// Returns whether judging a message may need more than its columns.
    pub(super) fn needs_message(&self) -> bool {
        self.has(Term::needs_message)
    }

    /// Returns whether judging a message may need more than its header.
    pub(super) fn needs_body(&self) -> bool {
        self.has(Term::needs_body)
    }

    /// Returns whether `is_it` holds for any term.
    fn has(&self, is_it: fn(&Term) -> bool) -> bool {
        match self {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(|node| node.has(is_it)),
            Node::Not(node) => node.has(is_it),
            Node::Term(term) => is_it(term),
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
