//! The counters and histograms: their names, units and bounds.
mod counter;
mod metric;
mod metric_unit;
mod table;

pub use counter::Counter;
pub use metric::Metric;
pub use metric_unit::MetricUnit;
