//! What the large graph shows.
use sinkd::stats::{Counter, Metric};

/// What is shown big.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A counter per second.
    Rate(Counter),
    /// Connections at the end of a second; they stay as they are while nothing happens.
    Open,
    /// Its p99, by second.
    P99(Metric),
}

impl Measure {
    /// What is shown first.
    pub const FIRST: Measure = Measure::Rate(Counter::Messages);

    /// In the order in which the keys go through them.
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

    /// The one after it; the first after the last.
    pub fn next(self) -> Measure {
        self.at(1)
    }

    /// The one before it.
    pub fn before(self) -> Measure {
        self.at(Measure::all().count() - 1)
    }
}
