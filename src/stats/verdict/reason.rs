//! Why a run was not faster, as one word for programs.
use serde::Serialize;

use super::limited_by::LimitedBy;

/// Defines the reasons: each below the limit that it shows, so that no reason lacks one.
macro_rules! reasons {
    ($($limit:ident: { $($(#[$doc:meta])+ $reason:ident,)+ })+) => {
        /// What showed a verdict: the decisive fact, for programs.
        /// [`VerdictEvidence`](super::VerdictEvidence) has its figures.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum VerdictReason {
            $($($(#[$doc])+ $reason,)+)+
        }

        impl VerdictReason {
            /// Every reason, in the order of the declaration.
            pub const ALL: &[VerdictReason] = &[$($(VerdictReason::$reason),+),+];

            /// Returns who or what limited the run.
            pub fn limited_by(self) -> LimitedBy {
                match self {
                    $($(VerdictReason::$reason)|+ => LimitedBy::$limit,)+
                }
            }
        }
    };
}

reasons! {
    Undecided: {
        /// No message was recorded or accepted.
        NoMessage,
        /// There are too few messages or whole seconds.
        TooLittleData,
        /// Nothing took most of the time.
        NothingStandsOut,
        /// Only the sender's records were read, and none of its threads was always busy.
        OnlySenderRecords,
    }
    Sender: {
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
    }
    Network: {
        /// Round trips or losses took most of the time.
        RoundTrips,
        /// Payload was on its way.
        PayloadInTransit,
    }
    Connections: {
        /// Each side waited for the other.
        LockStep,
    }
    Sink: {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_in_the_document_beside_its_limit() {
        // Continued lines of a list item are indented.
        let document = include_str!("../../../docs/json.md").replace("\n  ", " ");
        for reason in VerdictReason::ALL {
            let name = serde_json::to_value(reason).unwrap();
            let name = name.as_str().unwrap();
            let limit = reason.limited_by().name();
            let line = document.lines().find(|line| line.contains(&format!("`{name}`")));
            let line = line.unwrap_or_else(|| panic!("docs/json.md lacks `{name}`"));
            assert!(line.starts_with(&format!("- `{limit}`: ")), "{name}: {line}");
        }
    }
}
