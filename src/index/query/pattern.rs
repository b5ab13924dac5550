//! A word, a phrase, or the beginning of one.
use std::fmt;

use memchr::memmem::Finder;

use crate::mime::fold::fold;

/// What is looked for in folded text (`mime::fold`).
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The text as written, without quotes and star.
    text: String,
    /// Letters may follow.
    is_prefix: bool,
    /// The words of the text with a space before each and, unless the pattern is a prefix, after
    /// the last.
    finder: Finder<'static>,
}

impl Pattern {
    /// `None` if `text` has no word.
    pub(super) fn new(text: &str, is_prefix: bool) -> Option<Pattern> {
        let mut words = String::new();
        fold(text, &mut words);
        let needle = if is_prefix { words.trim_end() } else { &words };
        if needle.is_empty() {
            return None;
        }
        let finder = Finder::new(needle).into_owned();
        Some(Pattern { text: text.to_owned(), is_prefix, finder })
    }

    /// `folded`: what `fold` gave. Costs a memmem.
    pub(super) fn is_in(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }
}

/// The words follow from the rest.
impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text && self.is_prefix == other.is_prefix
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_keyword = matches!(&*self.text, "AND" | "OR" | "NOT");
        let is_bare = |c: char| c.is_alphanumeric() || matches!(c, '.' | '@' | '_' | '+' | '/');
        if !is_keyword && self.text.chars().all(is_bare) {
            f.write_str(&self.text)?;
        } else {
            quoted(f, &self.text)?;
        }
        f.write_str(if self.is_prefix { "*" } else { "" })
    }
}

/// In quotes, so that it is read as it is.
pub(super) fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes the value of a field that is not a pattern: in quotes if it must be.
pub(super) fn value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let is_bare = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\\' | '*');
    if !text.is_empty() && text.chars().all(is_bare) {
        return f.write_str(text);
    }
    quoted(f, text)
}
