//! Queries for messages: the single grammar for all commands that search (docs/search.md).
//!
//! A text is parsed into a tree (`lexer`, `parser`, `term`), which displays as a text that parses
//! to the same tree. It is first matched against the columns of a message, with three-valued logic,
//! because they may not be enough to decide. Only then is it matched against the message itself.
//!
//! ```
//! use sinkd::index::{Columns, query::{Query, Scratch}};
//! use sinkd::log::Runs;
//! use sinkd::time::UnixNs;
//!
//! let text = "subject:reset to:example.org -size:>1M";
//! let query = Query::parse(text, UnixNs::EPOCH, &Runs::default())?;
//! let columns = Columns { subject: "Password reset", ..Columns::default() };
//! let matches = query.matches_columns(&columns, &mut Scratch::default());
//! assert_eq!(matches, Some(false), "no recipient");
//! # Ok::<(), sinkd::index::query::QueryError>(())
//! ```
mod address;
mod during;
mod error;
mod fields;
mod lexer;
mod limits;
mod matching;
mod parser;
mod pattern;
#[expect(
    clippy::module_inception,
    reason = "it defines the query; this file says how a query is read"
)]
mod query;
mod size;
mod term;
mod tree;

#[cfg(feature = "testkit")]
pub mod testkit;
#[cfg(test)]
mod tests;

pub use error::{QueryError, QueryFault};
pub use limits::{BYTES_MAX, DEPTH_MAX, TERMS_MAX};
pub use matching::Scratch;
pub use query::Query;
