//! The measures that the large graph can show.
use sinkd::stats::{Counter, Metric};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A counter per second.
    Rate(Counter),
    /// Open connections at the end of a second; the value stays the same while nothing happens.
    Open,
    /// The p99 of a metric per second.
    P99(Metric),
}

impl Measure {
    /// The measure shown first.
    pub const FIRST: Measure = Measure::Rate(Counter::Messages);

    /// Returns all measures, in the order in which the keys select them.
    pub fn all() -> impl Iterator<Item = Measure> {
        let counters = [
            Counter::Messages,
            Counter::MessageRecipients,
            Counter::MessageBytes,
            Counter::Connections,
            Counter::TurnedAway,
            Counter::Refused,
            Counter::Commands,
            Counter::TlsHandshakes,
        ];
        let rates = counters.into_iter().map(Measure::Rate);
        rates.chain([Measure::Open]).chain(Metric::SINK.iter().copied().map(Measure::P99))
    }

    fn at(self, ahead: usize) -> Measure {
        let all: Vec<Measure> = Measure::all().collect();
        let here = all.iter().position(|shown| *shown == self).unwrap_or(0);
        all[(here + ahead) % all.len()]
    }

    /// Returns the next measure; the first one after the last.
    pub fn next(self) -> Measure {
        self.at(1)
    }

    /// Returns the previous measure.
    pub fn before(self) -> Measure {
        self.at(Measure::all().count() - 1)
    }
}
