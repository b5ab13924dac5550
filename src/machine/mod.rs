//! The machine: what this process may use of it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
mod cores;

pub use cores::cores;
