//! The segment log. Knows envelopes only as bytes.
#![deny(unsafe_code)]
mod writer;
pub use writer::*;
