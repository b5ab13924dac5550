//! What can be wrong in a template, and where.

/// Maximum number of characters of `{{random:N}}`; a line has up to 998 octets.
pub(super) const RANDOM_MAX: u16 = 900;

/// All placeholders, as users write them.
const KNOWN: &str = "{{seq}}, {{rcpt}}, {{rcpt.local}}, {{rcpt.domain}}, {{from}}, {{date}}, \
                     {{random:N}}, {{uuid}}, {{col:NAME}}";

/// An error in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct TemplateError {
    /// The name of the template's file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in octets, from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: TemplateFault,
}

/// What is wrong in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateFault {
    /// No empty line follows the header.
    #[error("the header has no end: an empty line is missing")]
    HeaderWithoutEnd,
    /// A line has an octet that ends lines, or that some servers drop.
    #[error("a CR without an LF, or a NUL")]
    ControlCharacter,
    /// A line of the header is not a field.
    #[error("expected a header field such as 'Subject: News', or an empty line")]
    NotAField,
    /// Blast adds this field to each message.
    #[error("this field is written by blast itself")]
    OwnField,
    /// The name of a field has a placeholder.
    #[error("expected no placeholder in the name of a field")]
    PlaceholderInName,
    /// A placeholder is not closed on its line.
    #[error("expected '}}}}' at the end of the placeholder")]
    PlaceholderWithoutEnd,
    /// A line is too long.
    #[error("expected a line of at most 998 bytes (RFC 5322 section 2.1.1)")]
    LongLine,
    /// The number of random characters is out of bounds.
    #[error("random takes 1 to {RANDOM_MAX}")]
    RandomCount,
    /// A placeholder names a column, but recipients are generated.
    #[error("no column '{0}': there is no list of recipients")]
    NoList(String),
    /// The list has no such column.
    #[error("no column '{wanted}'; the list has {}", columns.join(", "))]
    NoColumn {
        /// The column that the template names.
        wanted: String,
        /// The columns of the list.
        columns: Vec<String>,
    },
    /// There is no such placeholder.
    #[error("unknown placeholder '{0}'; the placeholders are {KNOWN}")]
    UnknownPlaceholder(String),
}
