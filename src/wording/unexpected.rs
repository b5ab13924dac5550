//! An unexpected word or value.
use std::borrow::Cow;
use std::fmt;

/// A word or value that a user gave where another was expected. Displays as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpected {
    expected: Cow<'static, str>,
    found: String,
    hint: Option<String>,
}

impl Unexpected {
    /// Creates the error. `expected` is a noun phrase, often with an example; `found` is the value
    /// as written.
    pub fn new(expected: impl Into<Cow<'static, str>>, found: &str) -> Unexpected {
        Unexpected { expected: expected.into(), found: found.to_owned(), hint: None }
    }

    /// Adds advice to the end of the sentence, such as "did you mean 'x'?".
    pub fn with_hint(self, hint: String) -> Unexpected {
        Unexpected { hint: Some(hint), ..self }
    }

    /// Adds where all expected words are listed, after advice if there is any.
    pub fn listed_by(self, list: &str) -> Unexpected {
        let hint = match &self.hint {
            Some(hint) => format!("{hint} See {list}"),
            None => format!("see {list}"),
        };
        self.with_hint(hint)
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found '{}'", self.expected, self.found)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Unexpected {}
