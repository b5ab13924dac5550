//! Why a text is not a valid query, and where the error is.
use std::ops::Range;

use super::fields::{deviation_hint, deviations, known_fields};
use super::limits::{BYTES_MAX, DEPTH_MAX, TERMS_MAX};
use crate::wording::printable_line;

/// Why a text is not a valid query. Displays as a sentence; [`QueryError::pointed_out`] shows the
/// location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct QueryError {
    /// Range of the error in the query, in octets. It is at the end if something is missing there.
    pub at: Range<usize>,
    /// What is wrong, for programs; `at` says where.
    pub fault: QueryFault,
}

/// What is wrong with a query. Each variant displays as a sentence that says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryFault {
    /// The query has more than 4096 octets.
    #[error("expected a query of at most {BYTES_MAX} bytes")]
    TooLong,
    /// The query has more than 256 terms.
    #[error("expected at most {TERMS_MAX} terms")]
    TooManyTerms,
    /// Parentheses or negations are nested too deep.
    #[error("parentheses and negations are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// A quote is not closed.
    #[error("this quote is never closed")]
    UnclosedQuote,
    /// A quote starts or ends inside a word.
    #[error("a quote starts or ends inside a word: add a space, or quote the whole word")]
    QuoteInside,
    /// A parenthesis is not closed.
    #[error("this parenthesis is never closed")]
    UnclosedParenthesis,
    /// A closing parenthesis has no opening one.
    #[error("this parenthesis was never opened")]
    StrayParenthesis,
    /// Parentheses contain nothing.
    #[error("expected a query in these parentheses")]
    EmptyParentheses,
    /// An operator has no term after it.
    #[error("expected a term after {0}")]
    NothingAfter(&'static str),
    /// An operator has no term before it.
    #[error("expected a term before {0}")]
    NothingBefore(&'static str),
    /// A field does not exist; the payload is its name.
    #[error("unknown field '{0}:' (quote it to search for the text); the fields are {fields}",
        fields = known_fields(.0))]
    UnknownField(String),
    /// A field has no value: the field, and an example of a value.
    #[error("expected a value directly after {0}:, such as {0}:{1}")]
    NoValue(&'static str, &'static str),
    /// A term has no letter or digit.
    #[error("expected at least one letter or digit")]
    NoWords,
    /// A `*` is not at the end of a word or phrase.
    #[error("* is only allowed at the end of a word or phrase, such as invoice*")]
    StarInside,
    /// A `*` is in the value of a field that does not allow it.
    #[error("* is not allowed in the value of '{0}:'")]
    StarNotHere(&'static str),
    /// The value of `from:`, `to:` or `cc:` is neither an address nor a domain.
    #[error(
        "expected an address (ann@example.org) or a domain (example.org); for a name write \
         header:From=\"Ann Smith\""
    )]
    NotAnAddress,
    /// The value of `header:` is not a field name, alone or with `=` and a text.
    #[error(
        "expected a header field, such as header:X-Campaign=spring or header:X-Campaign, found \
         '{0}'"
    )]
    NotAHeader(String),
    /// The value of `has:` is none of the four that exist; the payload is the whole term.
    #[error("expected has:attachment, has:auth, has:deviation or has:tls, found '{0}'")]
    NotAThing(String),
    /// The value of `size:` is not a size or a range of sizes; the payload is the whole term.
    #[error(
        "expected a size such as >1M, <=10K, 4096 or 10K..2M (units: K, M, G, T), found \
         '{0}'"
    )]
    NotASize(String),
    /// The value of `deviation:` is none of the names in
    /// [`Deviation`](crate::smtp::deviation::Deviation); the payload is the value.
    #[error("expected a kind of deviation ({kinds}), found '{0}'{meant}",
        kinds = deviations(), meant = deviation_hint(.0))]
    NotADeviation(String),
    /// The value of `tls:` is neither `none` nor a version that sinkd speaks; the payload is the
    /// value.
    #[error("expected 1.2, 1.3 or none, found '{0}'")]
    NotATlsVersion(String),
    /// No size can satisfy the condition.
    #[error("this range of sizes is empty")]
    EmptySize,
    /// The value of `before:` or `after:` is not a time.
    #[error(transparent)]
    NotAMoment(#[from] crate::log::NotAMoment),
    /// The data folder has no run with the name in `run:`; the payload is the name.
    #[error("no run '{0}'")]
    UnknownRun(String),
}

impl QueryError {
    pub(super) fn new(at: Range<usize>, fault: QueryFault) -> QueryError {
        QueryError { at, fault }
    }

    /// Returns two lines for a terminal: the query, and a line that underlines the error. Shortens
    /// long queries around the error, and replaces what could change how other text is shown.
    pub fn pointed_out(&self, query: &str) -> String {
        let before = query.get(..self.at.start).unwrap_or(query);
        let within = query.get(self.at.clone()).unwrap_or("");
        let behind = query.get(self.at.end..).unwrap_or("");
        let skipped = before.chars().count().saturating_sub(CONTEXT_CHARS);
        let marked = within.chars().count().clamp(1, CONTEXT_CHARS);
        let mut line: String = before.chars().skip(skipped).collect();
        let indent = " ".repeat(line.chars().count());
        line.extend(within.chars().chain(behind.chars()).take(2 * CONTEXT_CHARS));
        // Each character stays one character, so the line below still points at the error.
        format!("{}\n{indent}{}", printable_line(line.trim_end()), "^".repeat(marked))
    }
}

/// Number of characters shown on each side of the error.
const CONTEXT_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_underlined() {
        let error = QueryError::new(6..11, QueryFault::NotASize("x".into()));
        assert_eq!(error.pointed_out("grüße size:x"), "grüße size:x\n    ^^^^^");
        let error = QueryError::new(3..3, QueryFault::NothingAfter("OR"));
        assert_eq!(error.pointed_out("aOR"), "aOR\n   ^");
        let long = format!("{}\t\"x", "w ".repeat(1000));
        let error = QueryError::new(2001..2003, QueryFault::UnclosedQuote);
        let shown = error.pointed_out(&long);
        let (query, carets) = shown.split_once('\n').unwrap();
        assert_eq!(query.chars().nth(carets.find('^').unwrap()), Some('"'));
        assert!(!shown.contains('\t') && query.len() < 200);
        let error = QueryError::new(4..10, QueryFault::NotASize("x".into()));
        assert_eq!(error.pointed_out("\u{202e} size:x"), "\u{fffd} size:x\n  ^^^^^^");
    }

    #[test]
    fn a_range_outside_of_the_text_does_not_panic() {
        for at in [0..0, 5..9, 2..3, 100..200] {
            QueryError::new(at, QueryFault::NoWords).pointed_out("añb");
        }
    }
}
