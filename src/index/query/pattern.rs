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
    /// Returns a pattern for the words of `text`, in order and whole. `None` if `text` has no word.
    pub(super) fn words(text: &str) -> Option<Pattern> {
        let words = folded(text)?;
        let finder = Finder::new(&words).into_owned();
        Some(Pattern { text: text.to_owned(), is_prefix: false, finder })
    }

    /// Returns a pattern like [`Pattern::words`], but the last word may have more letters.
    pub(super) fn prefix(text: &str) -> Option<Pattern> {
        let words = folded(text)?;
        let finder = Finder::new(words.trim_end()).into_owned();
        Some(Pattern { text: text.to_owned(), is_prefix: true, finder })
    }

    /// Returns whether the pattern occurs in `folded`, a result of `fold`. Costs one search.
    pub(super) fn is_in(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }
}

/// Returns the folded words of `text`; `None` if it has no word.
fn folded(text: &str) -> Option<String> {
    let mut words = String::new();
    fold(text, &mut words);
    (!words.trim_end().is_empty()).then_some(words)
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
