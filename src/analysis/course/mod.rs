//! A run over time: what a report draws.
mod buckets;
#[expect(clippy::module_inception, reason = "the course itself; the door says what it is for")]
mod course;

pub use buckets::{Point, TimeBuckets};
pub use course::{ReportData, RunEvent, SourceFolder, TimeColumn};
