//! The flags of `sinkctl stats`.
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sinkd::analysis::By;
use sinkd::stats::{Metric, Window};

use crate::base::metric_name::metric_or;
use crate::base::span::{During, Sent};
use crate::base::value::{Unexpected, number, time};

#[derive(Debug, Args)]
pub struct Stats {
    /// A histogram, as text: messages_per_s, messages_per_100ms, transaction_us, think_data_us ...
    /// (a wrong name lists them).
    #[arg(long, value_name = "NAME", conflicts_with = "sent_field")]
    pub metric: Option<Subject>,
    /// Every metric, not only those that fit a screen.
    #[arg(long, group = "form")]
    pub all: bool,
    /// A line for each span of this length: 10s, 1m, 1d.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "sent_field")]
    pub interval: Option<Duration>,
    /// A line for each listener, client address or recipient domain, those with the most messages
    /// first: from the log, so only of messages that it still has an envelope of.
    #[arg(
        long,
        value_name = "WHAT",
        value_parser = by(),
        conflicts_with_all = ["metric", "interval", "all", "prometheus"]
    )]
    pub by: Option<By>,
    /// With --by: so many lines, 1 to 500.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        requires = "by",
        value_parser = number::<u64>(1..=500)
    )]
    pub top: u64,
    #[command(flatten)]
    pub sent: Sent,
    #[command(flatten)]
    pub during: During,
    /// One JSON object; with --interval one a line.
    #[arg(long, group = "form")]
    pub json: bool,
    /// Comma-separated, with a line of names: metrics and their percentiles, or with --interval
    /// the series.
    #[arg(long, group = "form")]
    pub csv: bool,
    /// As /metrics gives it to Prometheus, of this span.
    #[arg(long, group = "form", conflicts_with_all = ["metric", "interval", "sent_field"])]
    pub prometheus: bool,
    /// With --metric: the percentile distribution that HdrHistogram plotters read.
    #[arg(long, group = "form", requires = "metric")]
    pub hgrm: bool,
}

/// Parses what messages are told apart by.
fn by() -> impl TypedValueParser<Value = By> {
    let known = [
        PossibleValue::new("listener").help("As configured"),
        PossibleValue::new("client")
            .help("The address without its port; `unix` over a Unix socket"),
        PossibleValue::new("rcpt-domain").help("In lower case"),
    ];
    PossibleValuesParser::new(known).map(|name| match &*name {
        "listener" => By::Listener,
        "client" => By::Client,
        _ => By::RcptDomain,
    })
}

/// What a histogram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Something that was recorded.
    Metric(Metric),
    /// Messages in each of these.
    Throughput(Window),
}

impl Subject {
    const THROUGHPUTS: [(&'static str, Window); 2] =
        [("messages_per_s", Window::Second), ("messages_per_100ms", Window::Tenth)];

    pub fn name(self) -> &'static str {
        match self {
            Subject::Metric(metric) => metric.tag(),
            Subject::Throughput(Window::Second) => Subject::THROUGHPUTS[0].0,
            Subject::Throughput(Window::Tenth) => Subject::THROUGHPUTS[1].0,
        }
    }
}

impl std::str::FromStr for Subject {
    type Err = Unexpected;

    fn from_str(text: &str) -> Result<Subject, Unexpected> {
        let throughputs = Subject::THROUGHPUTS;
        if let Some((_, window)) = throughputs.iter().find(|(name, _)| *name == text) {
            return Ok(Subject::Throughput(*window));
        }
        let others = throughputs.map(|(name, _)| name);
        metric_or(text, &others).map(Subject::Metric)
    }
}
