//! Text patterns: a word, a phrase, or the beginning of one.
use std::fmt;

use memchr::memmem::Finder;

use crate::mime::fold::fold;

/// A pattern to search for in folded text (`mime::fold`).
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The text as written, without quotes or star.
    text: String,
    /// Whether more letters may follow the pattern.
    is_prefix: bool,
    /// Searches for the folded words, with a space before each and, unless the pattern is a prefix,
    /// after the last.
    finder: Finder<'static>,
}

impl Pattern {
    /// Returns `None` if `text` has no word.
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

    /// Returns whether the pattern occurs in `folded`, a result of `fold`. Costs a memmem.
    pub(super) fn is_in(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }
}

/// Compares only text and kind, because they determine the words.
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

/// Writes a text in quotes, so that it is read literally.
pub(super) fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes the value of a field that takes no pattern, in quotes if necessary.
pub(super) fn value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let is_bare = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\\' | '*');
    if !text.is_empty() && text.chars().all(is_bare) {
        return f.write_str(text);
    }
    quoted(f, text)
}
