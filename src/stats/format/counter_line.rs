//! A line of counters: a second in `*.jsonl`.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::damage::LineFault;
use crate::stats::metrics::Counter;

/// More than any machine counts in a second (17 terabytes, if it counts bytes), and a time in the
/// far future. The sum of 2^20 such numbers fits in a `u64`.
pub const NUMBER_MAX: u64 = 1 << 44;

/// Number of parts of a second in which messages are counted, so that stutter shows.
pub const TENTHS: usize = 10;

/// A line of `*.jsonl`: everything counted in one second. docs/stats-format.md defines it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterLine {
    /// Unix time, s.
    pub second: u64,
    /// Counters by name; those that are 0 are left out.
    pub counters: BTreeMap<String, u64>,
    /// Replies by code and enhanced code.
    pub replies: BTreeMap<String, u64>,
    /// Accepted messages in each tenth of the second.
    #[serde(default)]
    pub tenths: [u32; TENTHS],
    /// Time in loop rounds of the busiest worker, in µs.
    #[serde(default)]
    pub busiest_us: u64,
    /// Connections waiting to be accepted when the second began.
    #[serde(default)]
    pub accept_queue: u64,
    /// Connections open at the end of the second, as sampled by the hub.
    #[serde(default)]
    pub open_connections: u64,
    /// Messages not indexed at the end of the second.
    #[serde(default)]
    pub index_lag_messages: u64,
    /// Age of the oldest of these messages, in seconds.
    #[serde(default)]
    pub index_lag_s: u64,
}

impl CounterLine {
    /// Parses a line. Its numbers are bounded, so that sums over many lines don't overflow.
    pub fn parse(text: &str) -> Result<CounterLine, LineFault> {
        let line: CounterLine = serde_json::from_str(text).map_err(|_| LineFault::Counters)?;
        let is_plausible = line.numbers().all(|number| number <= NUMBER_MAX);
        if is_plausible { Ok(line) } else { Err(LineFault::Implausible) }
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        let named = self.counters.values().chain(self.replies.values()).copied();
        let lag = [self.index_lag_messages, self.index_lag_s];
        let measured = [self.second, self.busiest_us, self.accept_queue, self.open_connections];
        named.chain(measured).chain(lag)
    }

    /// Returns the counters in the order of their table; names of newer versions are ignored.
    pub fn by_counter(&self) -> [u64; Counter::ALL.len()] {
        let mut counters = [0; Counter::ALL.len()];
        for (name, n) in &self.counters {
            if let Some(counter) = Counter::from_tag(name) {
                counters[counter as usize] += n;
            }
        }
        counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_machine_counts_are_a_fault() {
        let line = |field: &str| CounterLine::parse(&format!("{{\"second\":1,{field}}}"));
        let rest = r#""counters":{},"replies":{}"#;
        assert!(line(&format!(r#""counters":{{"messages":{NUMBER_MAX}}},"replies":{{}}"#)).is_ok());
        let beyond = u64::MAX;
        for field in [
            format!(r#""counters":{{"messages":{beyond}}},"replies":{{}}"#),
            format!(r#""counters":{{}},"replies":{{"250 2.0.0":{beyond}}}"#),
            format!(r#"{rest},"accept_queue":{beyond}"#),
            format!(r#"{rest},"open_connections":{beyond}"#),
            format!(r#"{rest},"index_lag_messages":{beyond}"#),
        ] {
            assert_eq!(line(&field), Err(LineFault::Implausible), "{field}");
        }
        assert_eq!(line("not JSON"), Err(LineFault::Counters));
    }
}
