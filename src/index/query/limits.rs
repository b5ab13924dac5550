//! How long and how deep a query may be.

/// Octets of a query: a screen full, and what a command line takes anywhere.
pub const BYTES_MAX: usize = 4096;
/// Terms of a query: each is looked for in each message.
pub const TERMS_MAX: usize = 256;
/// Parentheses and negations around a term: what parses and answers goes as deep on the stack.
pub const DEPTH_MAX: usize = 64;
