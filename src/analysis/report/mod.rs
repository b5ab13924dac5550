//! A run over time: what a report draws.
mod buckets;
mod data;

pub use buckets::{Point, TimeBuckets};
pub use data::{DomainsError, ReportData, RunEvent, SourceFolder, TimeColumn};
