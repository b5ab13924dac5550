//! The subject of a histogram.
use sinkd::analysis::metric_or;
use sinkd::stats::{MessageWindow, Metric};

use crate::base::value::Unexpected;

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
