//! How the values of metrics are shown to people.
use sinkd::plot::PlotUnit;
use sinkd::stats::{Metric, MetricUnit};

/// Returns the unit in which the values of `metric` are formatted.
pub fn plot_unit(metric: Metric) -> PlotUnit {
    match metric.unit() {
        MetricUnit::Microseconds => PlotUnit::Microseconds,
        MetricUnit::Bytes => PlotUnit::Bytes,
        MetricUnit::BytesPerSecond => PlotUnit::BytesPerSecond,
        MetricUnit::Number => PlotUnit::Number,
    }
}
