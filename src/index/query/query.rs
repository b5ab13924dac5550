//! A query that was parsed, and whether it is true of a message.
use std::fmt;

use super::during::during;
use super::error::QueryError;
use super::matching::{Scratch, Sight};
use super::parser::parse;
use super::term::KnownNames;
use super::tree::Node;
use crate::index::Columns;
use crate::log::Runs;
use crate::log::reader::Span;

/// What must be true of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Read by tests, beside their model.
    pub(super) root: Node,
}

impl Query {
    /// Parses a query; an empty one is true of every message.
    ///
    /// `now_ns`: what "10m ago" counts from, ns since the Unix epoch. `runs`: those that `run:` may
    /// name; the one under way has no end. Costs microseconds; errors name the fault and the place.
    pub fn parse(text: &str, now_ns: u64, runs: &Runs) -> Result<Query, QueryError> {
        let known = KnownNames { now_ns, runs };
        parse(text, &known).map(|root| Query { root })
    }

    /// Returns whether the message of these columns matches. `None`: it takes the message itself to
    /// tell.
    ///
    /// Costs some ns for each term, and one folding of the subject if a term asks for it.
    pub fn on_columns(&self, columns: &Columns<'_>, scratch: &mut Scratch) -> Option<bool> {
        Sight::new(columns, None, scratch).on_columns(&self.root)
    }

    /// Returns whether this message matches. What [`Query::on_columns`] says, this says too.
    ///
    /// `message`: what is stored of it, with its dots unstuffed. Its body is decoded and folded
    /// once, and only if the answer depends on it; bounds of that are in `mime::text`.
    pub fn on_message(&self, columns: &Columns<'_>, message: &[u8], scratch: &mut Scratch) -> bool {
        Sight::new(columns, Some(message), scratch).on_message(&self.root)
    }

    /// Returns whether judging a message may need more than its columns. If not,
    /// [`Query::on_columns`] always tells.
    pub fn needs_message(&self) -> bool {
        self.root.needs_message()
    }

    /// Returns whether judging a message may need more than its header.
    pub fn needs_body(&self) -> bool {
        self.root.needs_body()
    }

    /// Returns a span outside of which no message matches. A span that holds no moment has equal
    /// ends.
    pub fn span(&self) -> Span {
        let during = during(&self.root, false);
        Span {
            since_ns: (during.start > 0).then_some(during.start),
            until_ns: (during.end < u64::MAX).then_some(during.end),
        }
    }
}

/// A text that [`Query::parse`] makes the same query of; moments in it are absolute.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
