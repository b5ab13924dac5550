//! What `sinkctl stats` prints, and in which form.
use std::time::Duration;

use sinkd::analysis::GroupBy;
use sinkd::stats::Metric;

use super::histogram_subject::HistogramSubject;
use crate::base::table_form::TableForm;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsOutput {
    /// The names of all metrics. No data folder is read.
    MetricNames,
    /// Messages by a property, counted from the log.
    Groups(GroupBy, TableForm),
    /// What was recorded.
    Recorded(RecordedOutput),
}

/// What is printed of the recorded statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedOutput {
    /// One line per interval of this length.
    Series(Duration, TableForm),
    Histogram(HistogramSubject, HistogramForm),
    /// The metrics of the span, as `/metrics` prints them.
    Prometheus,
    Figures(FiguresForm),
}

/// The form of one histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramForm {
    /// Text bars.
    Bars,
    Json,
    Csv,
    /// The percentile distribution that HdrHistogram plotters read.
    Hgrm,
}

/// The form of the figures of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiguresForm {
    /// Text, with these metrics in its table.
    Screen(&'static [Metric]),
    Json,
    Csv,
}
