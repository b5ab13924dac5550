//! The date of a blast's messages.
use std::fmt;

/// Maximum length, in octets: twice the length of a date in the format of RFC 5322.
const DATE_BYTES_MAX: usize = 60;

/// The value of a Date field: 1 to 60 printable ASCII characters. Whether they are a date (RFC 5322
/// section 3.3) is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDate(String);

/// A text that can't be the value of a Date field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date of 1 to 60 printable ASCII characters, found '{}'", .0.escape_debug())]
pub struct NotADate(String);

impl MessageDate {
    /// Checks the text. Errors: it is empty, too long, or not printable ASCII.
    pub fn new(text: impl Into<String>) -> Result<MessageDate, NotADate> {
        let text = text.into();
        let is_printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if (1..=DATE_BYTES_MAX).contains(&text.len()) && is_printable {
            Ok(MessageDate(text))
        } else {
            Err(NotADate(text))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_1_to_60_printable_ascii_characters() {
        for (text, is_date) in [
            ("Sat, 21 Nov 2026 10:00:00 +0000", true),
            ("x", true),
            ("", false),
            (&"x".repeat(60), true),
            (&"x".repeat(61), false),
            ("a\r\nb", false),
            ("\u{fc}", false),
        ] {
            assert_eq!(MessageDate::new(text).is_ok(), is_date, "{text}");
        }
        let error = MessageDate::new("a\r\nb").unwrap_err().to_string();
        assert_eq!(
            error,
            "expected a date of 1 to 60 printable ASCII characters, found 'a\\r\\nb'"
        );
    }
}
