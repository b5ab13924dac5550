//! The facts that HTTP reports, provided by the program that starts it.
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::stats::Live;

/// What `/metrics` and `/readyz` report, from the rest of sinkd.
pub struct MetricFacts {
    /// The recorded sums; `None` if statistics are off. Then their metrics are missing.
    pub live: Option<Arc<Live>>,
    /// Returns whether sinkd accepts mail; false once it is stopping. Called for each `/readyz`.
    pub is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Returns the number of the generation in force. Called for each `/metrics`.
    pub generation: Box<dyn Fn() -> u32 + Send + Sync>,
    /// The start of the process, for `process_start_time_seconds`.
    pub started: SystemTime,
    /// The data folder, whose file system is reported.
    pub data: PathBuf,
    /// The number of event loops, for `sinkd_workers`.
    pub workers: usize,
}

impl fmt::Debug for MetricFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricFacts").field("started", &self.started).finish_non_exhaustive()
    }
}
