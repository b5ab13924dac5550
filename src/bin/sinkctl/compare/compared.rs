//! What `sinkctl compare` shows.
use sinkd::stats::Comparison;

use super::side::Side;

/// Everything that is shown.
pub struct Compared {
    pub a: Side,
    pub b: Side,
    pub comparison: Comparison,
    /// A sentence for each reason why the figures are incomplete or get no verdict.
    pub warnings: Vec<String>,
}
