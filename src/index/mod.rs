//! The search index: what was said in the messages, kept beside the segments and derived from them.
//!
//! Everything in here can be deleted and worked out again. A query ([`query`]) is put to the
//! [`Columns`] of a message first, and to the message itself only where they can't answer.
#![forbid(unsafe_code)]
pub mod columns;
pub mod query;

pub use columns::{Columns, Lines};
