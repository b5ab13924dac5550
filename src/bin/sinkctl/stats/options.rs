//! The flags of `sinkctl stats`.
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sinkd::analysis::GroupBy;
use sinkd::stats::Metric;

use super::histogram_subject::HistogramSubject;
use super::output::{FiguresForm, HistogramForm, RecordedOutput, StatsOutput};
use super::screen;
use crate::base::span::{SentField, TimeRange};
use crate::base::table_form::TableForm;
use crate::base::value::{number, time};

#[derive(Debug, Args)]
pub struct Stats {
    /// Print a text histogram of one metric: messages_per_s, messages_per_100ms, transaction_us,
    /// think_data_us, ... (--metrics lists them all).
    #[arg(long, value_name = "NAME", conflicts_with = "sent_field")]
    metric: Option<HistogramSubject>,
    /// Print the names of all metrics, one per line, each with what it measures, without
    /// reading the data folder.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "by"])]
    metrics: bool,
    /// Print every metric, not only those that fit on a screen.
    #[arg(long, group = "form")]
    all: bool,
    /// Print one line per interval of this length, such as 10s, 1m or 1d.
    #[arg(long, value_name = "DURATION", value_parser = time, conflicts_with = "sent_field")]
    interval: Option<Duration>,
    /// Print one line per listener (its name, or else its address), client (its address without
    /// the port, or 'unix'), authenticated user, or recipient domain in lower case; most messages
    /// first. This reads the log, so it covers only messages whose envelope is stored.
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = by(),
        conflicts_with_all = ["metric", "interval", "all", "prometheus"]
    )]
    by: Option<GroupBy>,
    /// With --by, number of lines to print: those with the most messages (1 to 500).
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        requires = "by",
        value_parser = number::<u64>(1..=500)
    )]
    pub top: u64,
    #[command(flatten)]
    pub sent: SentField,
    #[command(flatten)]
    pub during: TimeRange,
    /// Print one JSON object; with --interval, one per line.
    #[arg(long, group = "form")]
    json: bool,
    /// Print comma-separated values with a header line: metrics and their percentiles, or with
    /// --interval the time series.
    #[arg(long, group = "form")]
    csv: bool,
    /// Print the metrics of the time span in the text format of Prometheus, as /metrics does.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "sent_field"])]
    prometheus: bool,
    /// With --metric, print the percentile distribution in the format that HdrHistogram plotters
    /// read.
    #[arg(long, group = "form", requires = "metric")]
    hgrm: bool,
}

impl Stats {
    /// Returns what is printed. The command line has refused flags that exclude each other.
    pub fn output(&self) -> StatsOutput {
        if self.metrics {
            StatsOutput::MetricNames
        } else if let Some(by) = self.by {
            StatsOutput::Groups(by, self.table_form())
        } else {
            StatsOutput::Recorded(self.recorded_output())
        }
    }

    fn recorded_output(&self) -> RecordedOutput {
        if let Some(length) = self.interval {
            RecordedOutput::Series(length, self.table_form())
        } else if let Some(subject) = self.metric {
            RecordedOutput::Histogram(subject, self.histogram_form())
        } else if self.prometheus {
            RecordedOutput::Prometheus
        } else {
            RecordedOutput::Figures(self.figures_form())
        }
    }

    fn table_form(&self) -> TableForm {
        match (self.json, self.csv) {
            (true, _) => TableForm::Json,
            (false, true) => TableForm::Csv,
            (false, false) => TableForm::Text,
        }
    }

    fn histogram_form(&self) -> HistogramForm {
        match self.table_form() {
            TableForm::Json => HistogramForm::Json,
            TableForm::Csv => HistogramForm::Csv,
            TableForm::Text if self.hgrm => HistogramForm::Hgrm,
            TableForm::Text => HistogramForm::Bars,
        }
    }

    fn figures_form(&self) -> FiguresForm {
        match self.table_form() {
            TableForm::Json => FiguresForm::Json,
            TableForm::Csv => FiguresForm::Csv,
            TableForm::Text if self.all => FiguresForm::Screen(Metric::ALL),
            TableForm::Text => FiguresForm::Screen(screen::MAIN),
        }
    }
}

/// Parses the property by which messages are grouped.
fn by() -> impl TypedValueParser<Value = GroupBy> {
    let known = ["listener", "client", "user", "rcpt-domain"];
    PossibleValuesParser::new(known).map(|name| match &*name {
        "listener" => GroupBy::Listener,
        "client" => GroupBy::Client,
        "user" => GroupBy::User,
        _ => GroupBy::RcptDomain,
    })
}
