//! Queries for messages: one grammar for every place that searches (docs/search.md).
//!
//! A text becomes a tree (`lexer`, `parser`, `term`), which displays as a text that parses to the
//! same tree. It is put to the columns of a message first, three-valued: they may not be enough to
//! tell. Only then is it put to the message itself.
//!
//! ```
//! use sinkd::index::{Columns, query::{Query, Scratch}};
//! use sinkd::log::Runs;
//!
//! let query = Query::parse("subject:reset to:example.org -size:>1M", 0, &Runs::default())?;
//! let columns = Columns { subject: "Password reset", ..Columns::default() };
//! assert_eq!(query.on_columns(&columns, &mut Scratch::default()), Some(false), "no recipient");
//! # Ok::<(), sinkd::index::query::QueryError>(())
//! ```
mod address;
mod during;
mod error;
mod lexer;
mod matching;
mod parser;
mod pattern;
mod size;
mod term;
mod tree;

pub mod testkit;
#[cfg(test)]
mod tests;

use std::fmt;

use super::Columns;
use crate::log::Runs;
use crate::log::reader::Span;

pub use error::{Fault, QueryError};
pub use matching::Scratch;

/// Octets of a query: a screen full, and what a command line takes anywhere.
pub const BYTES_MAX: usize = 4096;
/// Terms of a query: each is looked for in each message.
pub const TERMS_MAX: usize = 256;
/// Parentheses and negations around a term: what parses and answers goes as deep on the stack.
pub const DEPTH_MAX: usize = 64;

/// What must be true of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    root: tree::Node,
}

impl Query {
    /// Parses a query; an empty one is true of every message.
    ///
    /// `now_ns`: what "10m ago" counts from, ns since the Unix epoch. `runs`: those that `run:` may
    /// name; the one under way has no end. Costs microseconds; errors name the fault and the place.
    pub fn parse(text: &str, now_ns: u64, runs: &Runs) -> Result<Query, QueryError> {
        let known = term::Known { now_ns, runs };
        parser::parse(text, &known).map(|root| Query { root })
    }

    /// Is it true of the message of these columns? `None`: it takes the message itself to tell.
    ///
    /// Costs some ns for each term, and one folding of the subject if a term asks for it.
    pub fn on_columns(&self, columns: &Columns<'_>, scratch: &mut Scratch) -> Option<bool> {
        matching::Sight::new(columns, None, scratch).on_columns(&self.root)
    }

    /// Is it true of this message? Whatever [`Query::on_columns`] says, this says too.
    ///
    /// `message`: what is stored of it, with its dots unstuffed. Its body is decoded and folded
    /// once, and only if the answer depends on it; bounds of that are in `mime::text`.
    pub fn on_message(&self, columns: &Columns<'_>, message: &[u8], scratch: &mut Scratch) -> bool {
        matching::Sight::new(columns, Some(message), scratch).on_message(&self.root)
    }

    /// May it take more than columns to tell? If not, [`Query::on_columns`] always tells.
    pub fn needs_message(&self) -> bool {
        self.root.needs_message()
    }

    /// Returns whether judging a message may need more than its header.
    pub fn needs_body(&self) -> bool {
        self.root.needs_body()
    }

    /// It is true of no message that was received outside of this span. A span that holds no moment
    /// has equal ends.
    pub fn span(&self) -> Span {
        let during = during::during(&self.root, false);
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
