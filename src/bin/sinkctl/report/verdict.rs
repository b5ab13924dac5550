//! The place for what limited the run: a headline and the figures that show it.

use super::gather::Run;

/// Shown above everything else.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// One sentence.
    pub headline: String,
    /// What it rests on: name and value.
    pub figures: Vec<(String, String)>,
    /// Our ceiling was reached, and must not be taken for the sender's: shown as an alarm.
    pub is_saturated: bool,
}

/// What limited the run; `None`: nobody has worked it out, and nothing is shown.
pub fn verdict(_run: &Run) -> Option<Verdict> {
    None
}
