//! The form of a table or a series.

/// The form in which a table or a series is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    Text,
    Json,
    Csv,
}
