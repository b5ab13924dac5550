//! A parsed query.
use std::fmt;

use super::during::during;
use super::error::QueryError;
use super::matching::{Candidate, Scratch};
use super::parser::parse;
use super::term::KnownNames;
use super::tree::Node;
use crate::index::Columns;
use crate::log::Runs;
use crate::time::{Span, UnixNs};

/// A parsed query, which a message can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Also read by tests, which compare it with a model.
    pub(super) root: Node,
}

impl Query {
    /// Parses a query. An empty one matches every message.
    ///
    /// `now_ns` is the time from which "10m ago" counts back. `runs`
    /// are the runs that `run:` can name; the current one has no end. Costs microseconds. Errors
    /// state what is wrong, and where.
    pub fn parse(text: &str, now_ns: UnixNs, runs: &Runs) -> Result<Query, QueryError> {
        let known = KnownNames { now_ns, runs };
        parse(text, &known).map(|root| Query { root })
    }

    /// Returns whether the message with these columns matches. Returns `None` if the message itself
    /// is needed to decide.
    ///
    /// Costs some ns per term, and one folding of the subject if a term needs it.
    pub fn matches_columns(&self, columns: &Columns<'_>, scratch: &mut Scratch) -> Option<bool> {
        Candidate::new(columns, None, scratch).matches_columns(&self.root)
    }

    /// Returns whether this message matches. Never contradicts [`Query::matches_columns`].
    ///
    /// `message` is the stored part of the message, with dots unstuffed. Its body is decoded and
    /// folded once, and only if the result depends on it, within the limits of `mime::text`.
    pub fn matches_message(
        &self,
        columns: &Columns<'_>,
        message: &[u8],
        scratch: &mut Scratch,
    ) -> bool {
        Candidate::new(columns, Some(message), scratch).matches_message(&self.root)
    }

    /// Returns whether matching may need more than the columns of a message. If not,
    /// [`Query::matches_columns`] always decides.
    pub fn needs_message(&self) -> bool {
        self.root.needs_message()
    }

    /// Returns whether matching may need more than the header of a message.
    pub fn needs_body(&self) -> bool {
        self.root.needs_body()
    }

    /// Returns a span outside of which no message matches. If both ends are equal, no message
    /// matches at all.
    pub fn span(&self) -> Span {
        during(&self.root)
    }
}

/// Formats the query as text that [`Query::parse`] parses to the same query. Moments in it are
/// absolute.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
