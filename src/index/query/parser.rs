//! Parses tokens into a tree.
//!
//! ```text
//! or   = and { "OR" and }
//! and  = not { [ "AND" ] not }
//! not  = ( "-" / "NOT" ) not / "(" or ")" / term
//! ```
use std::ops::Range;

use super::error::{QueryError, QueryFault};
use super::lexer::{Placed, Token, tokens};
use super::limits::{BYTES_MAX, DEPTH_MAX, TERMS_MAX};
use super::term::{KnownNames, Term};
use super::tree::Node;

/// Parses a query. A query without terms matches everything.
pub(super) fn parse(text: &str, known: &KnownNames<'_>) -> Result<Node, QueryError> {
    if text.len() > BYTES_MAX {
        let cut = text.floor_char_boundary(BYTES_MAX);
        return Err(QueryError::new(cut..text.len(), QueryFault::TooLong));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Node::And(Vec::new()));
    }
    let mut parser = QueryParser { tokens: &tokens, at: 0, end: text.len(), known, terms: 0 };
    let root = parser.or(0)?;
    match parser.next() {
        None => Ok(root),
        Some((_, at)) => Err(QueryError::new(at.clone(), QueryFault::StrayParenthesis)),
    }
}

struct QueryParser<'p> {
    tokens: &'p [Placed<'p>],
    at: usize,
    /// Length of the query in octets, where something that is missing at its end is reported.
    end: usize,
    known: &'p KnownNames<'p>,
    terms: usize,
}

impl<'p> QueryParser<'p> {
    fn peek(&self) -> Option<&'p Token<'p>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<&'p Placed<'p>> {
        let next = self.tokens.get(self.at);
        self.at += usize::from(next.is_some());
        next
    }

    fn or(&mut self, depth: usize) -> Result<Node, QueryError> {
        let mut any = vec![self.and(depth)?];
        while let Some(Token::Or) = self.peek() {
            self.expect_after("OR")?;
            any.push(self.and(depth)?);
        }
        Ok(Node::any(any))
    }

    fn and(&mut self, depth: usize) -> Result<Node, QueryError> {
        let mut all = vec![self.not(depth)?];
        loop {
            match self.peek() {
                None | Some(Token::Or | Token::Close) => return Ok(Node::all(all)),
                Some(Token::And) => self.expect_after("AND")?,
                Some(Token::Not | Token::Minus | Token::Open | Token::Term(_)) => {}
            }
            all.push(self.not(depth)?);
        }
    }

    /// Consumes an operator that must be followed by a term.
    fn expect_after(&mut self, word: &'static str) -> Result<(), QueryError> {
        let at = self.next().map_or(self.end..self.end, |(_, at)| at.clone());
        match self.peek() {
            Some(Token::Term(_) | Token::Open | Token::Minus | Token::Not) => Ok(()),
            _ => Err(QueryError::new(at, QueryFault::NothingAfter(word))),
        }
    }

    /// Parses a term, a group or a negation. `depth` is the number of negations and parentheses
    /// around it. All recursion passes through this function, so it enforces the limit.
    fn not(&mut self, depth: usize) -> Result<Node, QueryError> {
        let Some((token, at)) = self.next() else {
            unreachable!("callers have seen a token, or there is one at the start")
        };
        if depth == DEPTH_MAX {
            return Err(QueryError::new(at.clone(), QueryFault::TooDeep));
        }
        match token {
            Token::Minus | Token::Not => {
                let word = if *token == Token::Not { "NOT" } else { "-" };
                self.at -= 1;
                self.expect_after(word)?;
                Ok(Node::Not(Box::new(self.not(depth + 1)?)))
            }
            Token::Open => self.group(at, depth),
            Token::Term(raw) => {
                self.terms += 1;
                if self.terms > TERMS_MAX {
                    return Err(QueryError::new(at.clone(), QueryFault::TooManyTerms));
                }
                Ok(Node::Term(Box::new(Term::parse(raw, at, self.known)?)))
            }
            Token::Close => Err(QueryError::new(at.clone(), QueryFault::StrayParenthesis)),
            Token::Or => Err(QueryError::new(at.clone(), QueryFault::NothingBefore("OR"))),
            Token::And => Err(QueryError::new(at.clone(), QueryFault::NothingBefore("AND"))),
        }
    }

    /// Parses the rest of a group after its opening parenthesis at `open`.
    fn group(&mut self, open: &Range<usize>, depth: usize) -> Result<Node, QueryError> {
        match self.peek() {
            None => return Err(QueryError::new(open.clone(), QueryFault::UnclosedParenthesis)),
            Some(Token::Close) => {
                let close = &self.tokens[self.at].1;
                let at = open.start..close.end;
                return Err(QueryError::new(at, QueryFault::EmptyParentheses));
            }
            Some(_) => {}
        }
        let inside = self.or(depth + 1)?;
        match self.next() {
            Some((Token::Close, _)) => Ok(inside),
            _ => Err(QueryError::new(open.clone(), QueryFault::UnclosedParenthesis)),
        }
    }
}
