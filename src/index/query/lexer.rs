//! Splits a query into tokens.
use std::ops::Range;

use super::error::{QueryError, QueryFault};

/// A token of a query. Spaces only separate tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'q> {
    Open,
    Close,
    /// `-` directly before a term or parenthesis.
    Minus,
    And,
    Or,
    Not,
    Term(RawTerm<'q>),
}

/// An unparsed term: `head"quoted"*`, where each part is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawTerm<'q> {
    /// The text before the quote, or the whole term if it has no quote, without a `*` at its end.
    pub head: &'q str,
    /// The text within quotes, with `\"` and `\\` unescaped.
    pub quoted: Option<String>,
    /// Whether `*` follows, so that the last word may have more letters.
    pub has_star: bool,
}

/// A token, and its range in the query in octets, which errors point at.
pub(super) type Placed<'q> = (Token<'q>, Range<usize>);

/// Returns all tokens of `text`, in order. Costs one pass.
///
/// Errors: an unclosed quote, a quote inside a word, or a `-` before white space or at the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, end) = match first {
            '(' => (Token::Open, at + 1),
            ')' => (Token::Close, at + 1),
            '-' if text[at + 1..].starts_with(|c: char| !c.is_whitespace()) => {
                (Token::Minus, at + 1)
            }
            '-' => return Err(QueryError::new(at..at + 1, QueryFault::NothingAfter("-"))),
            _ => term(text, at)?,
        };
        tokens.push((token, at..end));
        at = end;
    }
    Ok(tokens)
}

/// Reads the term or keyword at `start`, which is not white space. Returns it with the offset of
/// its end.
fn term(text: &str, start: usize) -> Result<(Token<'_>, usize), QueryError> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"');
    let head_end = text[start..].find(is_end).map_or(text.len(), |length| start + length);
    let head = &text[start..head_end];
    if text[head_end..].starts_with('"') {
        return quoted(text, head, head_end);
    }
    let token = match head {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => {
            let without = head.strip_suffix('*');
            let has_star = without.is_some();
            Token::Term(RawTerm { head: without.unwrap_or(head), quoted: None, has_star })
        }
    };
    Ok((token, head_end))
}

/// Reads the rest of `head"quoted"*`, with the quote at `open`.
fn quoted<'q>(text: &'q str, head: &'q str, open: usize) -> Result<(Token<'q>, usize), QueryError> {
    if !(head.is_empty() || head.ends_with([':', '='])) {
        return Err(QueryError::new(open..open + 1, QueryFault::QuoteInside));
    }
    let mut inside = String::new();
    let mut letters = text[open + 1..].char_indices().peekable();
    let close = loop {
        match letters.next() {
            None => return Err(QueryError::new(open..text.len(), QueryFault::UnclosedQuote)),
            Some((offset, '"')) => break open + 1 + offset,
            Some((_, '\\')) => {
                let escaped = letters.next_if(|(_, c)| matches!(c, '"' | '\\'));
                inside.push(escaped.map_or('\\', |(_, c)| c));
            }
            Some((_, letter)) => inside.push(letter),
        }
    };
    let has_star = text[close + 1..].starts_with('*');
    let end = close + 1 + usize::from(has_star);
    let follows = text[end..].chars().next();
    if follows.is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')')) {
        return Err(QueryError::new(close..close + 1, QueryFault::QuoteInside));
    }
    Ok((Token::Term(RawTerm { head, quoted: Some(inside), has_star }), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let show = |(token, at): &Placed<'_>| match token {
            Token::Term(raw) => {
                let quoted = raw.quoted.as_ref().map_or(String::new(), |q| format!("«{q}»"));
                format!("{}{quoted}{}", raw.head, if raw.has_star { "★" } else { "" })
            }
            _ => format!("{{{}}}", &text[at.clone()]),
        };
        tokens(text).unwrap().iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_are_split_into_tokens() {
        for (text, expected) in [
            ("", ""),
            ("  a\tb\u{3000}c ", "a b c"),
            ("a OR (b AND -c) NOT d", "a {OR} {(} b {AND} {-} c {)} {NOT} d"),
            ("or and not ORDER", "or and not ORDER"),
            ("foo(bar)baz", "foo {(} bar {)} baz"),
            ("a-b --c", "a-b {-} {-} c"),
            ("subject:\"two words\"", "subject:«two words»"),
            ("header:X-A=\"b\"* \"c\"", "header:X-A=«b»★ «c»"),
            (r#""a \"b\" \\ \n""#, r#"«a "b" \ \n»"#),
            ("inv* a*b", "inv★ a*b"),
            ("\"OR\" \"\"", "«OR» «»"),
            ("(\"a\")", "{(} «a» {)}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_and_dashes_that_are_none() {
        for (text, at, fault) in [
            ("a \"b", 2..4, QueryFault::UnclosedQuote),
            ("\"a\\\"", 0..4, QueryFault::UnclosedQuote),
            ("a\"b\"", 1..2, QueryFault::QuoteInside),
            ("\"a\"b", 2..3, QueryFault::QuoteInside),
            ("\"a\"\"b\"", 2..3, QueryFault::QuoteInside),
            ("a - b", 2..3, QueryFault::NothingAfter("-")),
            ("a -", 2..3, QueryFault::NothingAfter("-")),
        ] {
            assert_eq!(tokens(text).unwrap_err(), QueryError::new(at, fault), "{text}");
        }
    }
}
