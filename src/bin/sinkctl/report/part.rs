//! A section of the page.
use super::figure::Figure;

/// A section: a heading and its content.
pub struct ReportSection {
    pub heading: &'static str,
    pub figures: Vec<Figure>,
    /// Tables and sentences in HTML.
    pub html: String,
}
