//! The flags of `sinkctl stats`.
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sinkd::analysis::GroupBy;
use sinkd::stats::{MessageWindow, Metric};

use crate::base::span::{SentField, TimeRange};
use crate::base::value::{Unexpected, number, time};
use sinkd::analysis::metric_or;

#[derive(Debug, Args)]
pub struct Stats {
    /// Print a text histogram of one metric: messages_per_s, messages_per_100ms, transaction_us,
    /// think_data_us, ... (--metrics lists them all).
    #[arg(long, value_name = "NAME", conflicts_with = "sent_field")]
    pub metric: Option<HistogramSubject>,
    /// Print the names of all metrics, one per line, each with what it measures, without
    /// reading the data folder.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "by"])]
    pub metrics: bool,
    /// Print every metric, not only those that fit on a screen.
    #[arg(long, group = "form")]
    pub all: bool,
    /// Print one line per interval of this length, such as 10s, 1m or 1d.
    #[arg(long, value_name = "DURATION", value_parser = time, conflicts_with = "sent_field")]
    pub interval: Option<Duration>,
    /// Print one line per listener (its name, or else its address), client (its address without
    /// the port, or 'unix'), authenticated user, or recipient domain in lower case; most messages
    /// first. This reads the log, so it covers only messages whose envelope is stored.
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = by(),
        conflicts_with_all = ["metric", "interval", "all", "prometheus"]
    )]
    pub by: Option<GroupBy>,
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
    pub json: bool,
    /// Print comma-separated values with a header line: metrics and their percentiles, or with
    /// --interval the time series.
    #[arg(long, group = "form")]
    pub csv: bool,
    /// Print the metrics of the time span in the text format of Prometheus, as /metrics does.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "sent_field"])]
    pub prometheus: bool,
    /// With --metric, print the percentile distribution in the format that HdrHistogram plotters
    /// read.
    #[arg(long, group = "form", requires = "metric")]
    pub hgrm: bool,
}

/// The form of a table or a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    Text,
    Json,
    Csv,
}

impl Stats {
    /// Returns the form of what can be printed in all three.
    pub fn table_form(&self) -> TableForm {
        if self.json {
            TableForm::Json
        } else if self.csv {
            TableForm::Csv
        } else {
            TableForm::Text
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

/// The subject of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramSubject {
    /// A recorded metric.
    Metric(Metric),
    /// Messages per window.
    Throughput(MessageWindow),
}

impl HistogramSubject {
    const THROUGHPUTS: [(&'static str, MessageWindow); 2] =
        [("messages_per_s", MessageWindow::Second), ("messages_per_100ms", MessageWindow::Tenth)];

    /// Returns all possible subjects.
    pub fn all() -> impl Iterator<Item = HistogramSubject> {
        let throughputs =
            HistogramSubject::THROUGHPUTS.map(|(_, window)| HistogramSubject::Throughput(window));
        throughputs.into_iter().chain(Metric::ALL.iter().copied().map(HistogramSubject::Metric))
    }

    /// Returns a description.
    pub fn help(self) -> &'static str {
        match self {
            HistogramSubject::Metric(metric) => metric.help(),
            HistogramSubject::Throughput(MessageWindow::Second) => {
                "How many seconds had how many messages: whole seconds of the clock."
            }
            HistogramSubject::Throughput(MessageWindow::Tenth) => {
                "How many tenths of a second had how many messages, from the first to the last."
            }
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            HistogramSubject::Metric(metric) => metric.tag(),
            HistogramSubject::Throughput(MessageWindow::Second) => {
                HistogramSubject::THROUGHPUTS[0].0
            }
            HistogramSubject::Throughput(MessageWindow::Tenth) => {
                HistogramSubject::THROUGHPUTS[1].0
            }
        }
    }
}

impl std::str::FromStr for HistogramSubject {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<HistogramSubject, Unexpected> {
        let throughputs = HistogramSubject::THROUGHPUTS;
        if let Some((_, window)) = throughputs.iter().find(|(name, _)| *name == text) {
            return Ok(HistogramSubject::Throughput(*window));
        }
        let others = throughputs.map(|(name, _)| name);
        let metric =
            metric_or(text, &others).map_err(|it| it.listed_by("sinkctl stats --metrics"))?;
        Ok(HistogramSubject::Metric(metric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_metric_can_be_requested() {
        let mut metrics = 0;
        for subject in HistogramSubject::all() {
            assert_eq!(subject.name().parse(), Ok(subject));
            metrics += 1;
        }
        assert_eq!(metrics, Metric::ALL.len() + 2);
    }
}
