//! Why a run was not faster, as one word for programs.
use serde::Serialize;

use crate::stats::limited_by::LimitedBy;

/// What showed a verdict: the decisive fact, for programs. [`super::Verdict::because`] has its
/// figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictReason {
    /// No message was recorded or accepted.
    NoMessage,
    /// There are too few messages or whole seconds.
    TooLittleData,
    /// Nothing took most of the time.
    NothingStandsOut,
    /// Only the sender's records were read, and none of its threads was always busy.
    OnlySenderRecords,
    /// The sender paused until its writes were acknowledged (Nagle's algorithm).
    DelayedAcknowledgements,
    /// The sender had no connection in use.
    NoConnectionInUse,
    /// The sender was writing payload.
    WritingPayload,
    /// The sender did not read its replies.
    UnreadReplies,
    /// The sink waited for the sender's next command or message.
    SlowAnswers,
    /// The sender's busiest thread was always busy.
    SenderThreadBusy,
    /// Round trips or losses took most of the time.
    RoundTrips,
    /// Payload was on its way.
    PayloadInTransit,
    /// Each side waited for the other.
    LockStep,
    /// The kernel's queue of new connections was full.
    AcceptQueueFull,
    /// Connections were turned away with 421.
    ConnectionsTurnedAway,
    /// The sink's busiest event loop was always busy.
    EventLoopBusy,
    /// The sink's event loops were ready, and had no processor.
    NoProcessor,
    /// Payload waited for room in the log.
    WaitingForStorage,
    /// Messages waited to be committed.
    WaitingForCommits,
    /// Clients waited for the sink, for several reasons together.
    WaitingForSink,
    /// The run reached what the machine reaches with such mail.
    MachineCeiling,
}

impl VerdictReason {
    /// Returns who or what limited the run.
    pub fn limited_by(self) -> LimitedBy {
        use VerdictReason::*;
        match self {
            NoMessage | TooLittleData | NothingStandsOut | OnlySenderRecords => {
                LimitedBy::Undecided
            }
            DelayedAcknowledgements
            | NoConnectionInUse
            | WritingPayload
            | UnreadReplies
            | SlowAnswers
            | SenderThreadBusy => LimitedBy::Sender,
            RoundTrips | PayloadInTransit => LimitedBy::Network,
            LockStep => LimitedBy::Connections,
            AcceptQueueFull
            | ConnectionsTurnedAway
            | EventLoopBusy
            | NoProcessor
            | WaitingForStorage
            | WaitingForCommits
            | WaitingForSink
            | MachineCeiling => LimitedBy::Sink,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_in_the_document_beside_its_limit() {
        use VerdictReason::*;
        // Continued lines of a list item are indented.
        let document = include_str!("../../../docs/json.md").replace("\n  ", " ");
        for reason in [
            NoMessage,
            TooLittleData,
            NothingStandsOut,
            OnlySenderRecords,
            DelayedAcknowledgements,
            NoConnectionInUse,
            WritingPayload,
            UnreadReplies,
            SlowAnswers,
            SenderThreadBusy,
            RoundTrips,
            PayloadInTransit,
            LockStep,
            AcceptQueueFull,
            ConnectionsTurnedAway,
            EventLoopBusy,
            NoProcessor,
            WaitingForStorage,
            WaitingForCommits,
            WaitingForSink,
            MachineCeiling,
        ] {
            let name = serde_json::to_value(reason).unwrap();
            let name = name.as_str().unwrap();
            let limit = reason.limited_by().name();
            let line = document.lines().find(|line| line.contains(&format!("`{name}`")));
            let line = line.unwrap_or_else(|| panic!("docs/json.md lacks `{name}`"));
            assert!(line.starts_with(&format!("- `{limit}`: ")), "{name}: {line}");
        }
    }
}
