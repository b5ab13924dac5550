//! Why a claim does not hold.
use super::unit::ClaimUnit;
use crate::analysis::limits::LimitsGap;
use crate::analysis::statistics::UnrecordedMessages;
use crate::analysis::transit_gap::TransitGap;
use crate::stats::{LimitedBy, StatsDamage};
use crate::wording::decimals;

/// Why a claim does not hold: another value was found, or none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimFailure {
    /// The verdict is a different one.
    #[error("it is {}", .0.name())]
    Verdict(LimitedBy),
    /// Several verdicts are possible.
    #[error("it is {}: {because}", LimitedBy::Undecided.name())]
    Undecided {
        /// The reason, as `stats` prints it.
        because: String,
    },
    /// The number does not satisfy the claim.
    #[error(
        "it is {}{}{}",
        unit.text(*found),
        distance_to_bound(*found, *bound),
        client_suffix(client.as_deref())
    )]
    Number {
        /// The figure that was found, in the subject's unit.
        found: f64,
        /// The bound in the claim, in the subject's unit.
        bound: f64,
        /// The unit of both numbers, for the sentence.
        unit: ClaimUnit,
        /// The client with the highest figure, if the claim is about limits of clients.
        client: Option<String>,
    },
    /// The span has no traffic, so that every upper bound would hold.
    #[error("nothing was recorded: no connection, no message, no reply")]
    NoTraffic,
    /// The metric has no value in this span.
    #[error("nothing was recorded")]
    NoValue,
    /// The figure is about accepted messages, and the span has none.
    #[error("no message was accepted")]
    NoMessage,
    /// The figure is about connections, and the span has none.
    #[error("no connection was recorded")]
    NoConnection,
    /// The evidence was gathered without limits of clients.
    #[error("limits were not read")]
    LimitsNotRead,
    /// The evidence was gathered without transit times.
    #[error("transit times were not read")]
    TransitNotRead,
    /// Only the log shows which messages the statistics lack, and it was not read.
    #[error("the log cannot be read")]
    LogNotRead,
    /// A statistics file is damaged, and the unreadable part may contradict the claim.
    #[error("statistics are damaged: {0}")]
    Damaged(StatsDamage),
    /// The figures may be too low, or cannot be judged.
    #[error(transparent)]
    Incomplete(#[from] EvidenceGap),
    /// The figures lack messages that the log holds, and no other claim allows for that.
    #[error(
        "{unrecorded}; a claim such as 'not_recorded <= {}' allows for that",
        unrecorded.messages
    )]
    NotRecorded {
        /// The messages that the figures lack.
        unrecorded: UnrecordedMessages,
    },
}

/// Why figures may be too low, or cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceGap {
    /// The figures lack messages that the log holds.
    #[error("{0}")]
    Unrecorded(UnrecordedMessages),
    /// The records of connections are incomplete or empty.
    #[error(transparent)]
    Limits(#[from] LimitsGap),
    /// The transit times are incomplete, or clocks differ.
    #[error(transparent)]
    Transit(#[from] TransitGap),
}

/// Returns the difference between a figure and the bound, as text.
fn distance_to_bound(found: f64, bound: f64) -> String {
    let by = found - bound;
    match by {
        0.0 => String::new(),
        _ if bound == 0.0 => format!(", {} off", decimals(by.abs())),
        _ => {
            let side = if by > 0.0 { "above" } else { "below" };
            format!(", {}% {side} the bound", decimals((100.0 * by / bound).abs()))
        }
    }
}

fn client_suffix(client: Option<&str>) -> String {
    client.map_or(String::new(), |client| format!(", by {client}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_misses_the_bound_says_by_how_much_and_whose_it_is() {
        let sentence = |found, bound, client: Option<&str>| {
            let (unit, client) = (ClaimUnit::Number, client.map(str::to_owned));
            ClaimFailure::Number { found, bound, unit, client }.to_string()
        };
        assert_eq!(sentence(110.0, 100.0, None), "it is 110, 10% above the bound");
        assert_eq!(sentence(1.0, 3.0, None), "it is 1, 66.667% below the bound");
        assert_eq!(sentence(7.0, 0.0, Some("::1")), "it is 7, 7 off, by ::1");
        assert_eq!(sentence(7.0, 7.0, None), "it is 7");
    }
}
