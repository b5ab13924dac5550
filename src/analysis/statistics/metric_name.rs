//! The names of metrics on the command line, for `stats --metric` and for claims.
use crate::stats::Metric;
use crate::wording::Unexpected;
use crate::wording::unknown_of_many;

/// Returns the metric with this name; the unit of time at the end may be missing.
pub fn metric(name: &str) -> Option<Metric> {
    Metric::ALL.iter().copied().find(|metric| [metric.tag(), metric.short_name()].contains(&name))
}

/// Returns the names of all metrics with their units, in the order of the table.
pub fn metrics() -> impl Iterator<Item = &'static str> {
    Metric::ALL.iter().map(|metric| metric.tag())
}

/// Returns the metric with this name.
///
/// Errors: a sentence with the most similar names among the metrics and `others`.
pub fn metric_or(name: &str, others: &[&'static str]) -> Result<Metric, Unexpected> {
    let known = || others.iter().copied().chain(metrics());
    metric(name).ok_or_else(|| unknown_of_many("metric", name, known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_known_with_and_without_its_unit_of_time() {
        for name in ["transaction", "transaction_us"] {
            assert_eq!(metric_or(name, &[]), Ok(Metric::Transaction));
        }
        assert_eq!(metric_or("message_bytes", &[]), Ok(Metric::MessageSize));
        let error = metric_or("transactions", &["messages_per_s"]).unwrap_err().to_string();
        assert!(error.ends_with("; did you mean 'transaction_us'?"), "{error}");
        let error = metric_or("message_per_s", &["messages_per_s"]).unwrap_err().to_string();
        assert!(error.contains("messages_per_s"), "{error}");
    }
}
