//! Limits on the length and depth of a query.

/// Maximum length of a query in octets: a full screen, and short enough for any command line.
pub const BYTES_MAX: usize = 4096;
/// Maximum number of terms, because each term is searched for in each message.
pub const TERMS_MAX: usize = 256;
/// Maximum number of parentheses and negations around a term: bounds the recursion of parsing and
/// matching.
pub const DEPTH_MAX: usize = 64;
