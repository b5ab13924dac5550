//! A part of the page.
use super::figure::Figure;

/// A heading and what stands below it.
pub struct ReportSection {
    pub heading: &'static str,
    pub figures: Vec<Figure>,
    /// Tables and sentences, HTML.
    pub html: String,
}
