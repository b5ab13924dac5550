//! The text format of Prometheus, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
use std::fmt::{Display, Write};

/// The content type of an answer in this format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The types of metrics that sinkd uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricKind {
    /// A value that never decreases while sinkd runs. Its name ends in `_total`.
    Counter,
    Gauge,
    /// A histogram, with samples `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl MetricKind {
    fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// An answer that is being written.
#[derive(Debug, Default)]
pub(super) struct MetricText {
    text: String,
}

impl MetricText {
    /// Begins a metric, whose samples follow. `help` is one line.
    pub(super) fn head(&mut self, name: &str, kind: MetricKind, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', " ");
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
    }

    /// Appends a sample. Label values are plain text; they are escaped here.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if at == 0 { '{' } else { ',' };
            self.push(format_args!("{before}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{end} {value}\n"));
    }

    /// Appends a metric with one sample and no labels.
    pub(super) fn single(&mut self, name: &str, kind: MetricKind, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Returns the whole answer, which ends with a line feed.
    pub(super) fn into_string(self) -> String {
        self.text
    }

    fn push(&mut self, what: std::fmt::Arguments<'_>) {
        self.text.write_fmt(what).expect("a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_follows_the_prometheus_format() {
        let mut text = MetricText::default();
        text.head("a_total", MetricKind::Counter, "A \\ sentence.");
        text.sample("a_total", &[], 3);
        text.sample("a_total", &[("code", "250"), ("text", "a\"b\\c\n")], 0.000_01);
        text.single("b", MetricKind::Gauge, "B.", 1e9);
        let expected = "# HELP a_total A \\\\ sentence.\n# TYPE a_total counter\na_total 3\n\
                        a_total{code=\"250\",text=\"a\\\"b\\\\c\\n\"} 0.00001\n\
                        # HELP b B.\n# TYPE b gauge\nb 1000000000\n";
        assert_eq!(text.into_string(), expected);
    }
}
