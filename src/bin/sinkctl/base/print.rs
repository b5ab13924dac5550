//! Formats text for terminals.
pub use sinkd::analysis::{rfc3339, seconds_text as seconds};
