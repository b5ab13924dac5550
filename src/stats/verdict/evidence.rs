//! What shows a verdict: the decisive fact, with its figures.
use super::budget::Shares;
use super::calibration::Calibrated;
use super::reason::VerdictReason;

/// The decisive fact of a verdict, with the figures that show it. Each `share` is a part, from 0 to
/// 1, of the time of the connections.
#[derive(Debug, Clone, PartialEq)]
pub enum VerdictEvidence {
    /// A sink recorded no message.
    NoMessageRecorded,
    /// A sender recorded that no message was accepted.
    NoMessageAccepted,
    /// There are too few messages or whole seconds.
    TooLittleData {
        /// What a verdict needs at least.
        least: RecordedAmount,
        /// What was recorded.
        found: RecordedAmount,
    },
    /// Nothing took most of the time.
    NothingStandsOut {
        /// How the time was spent.
        shares: Shares,
        /// The share in which the sink's loops waited for a processor; `None` if it is low.
        starved_share: Option<f64>,
    },
    /// Only the sender's records were read, and none of its threads was always busy.
    OnlySenderRecords {
        /// The busy share of the sender's busiest thread.
        busy_share: f64,
    },
    /// The sender paused until its writes were acknowledged (Nagle's algorithm).
    DelayedAcknowledgements {
        /// The share of the pauses.
        share: f64,
        /// The usual length of a pause, in µs.
        pause_us: u64,
    },
    /// The sender had no connection in use.
    NoConnectionInUse {
        /// The part of the run without a connection in use.
        share: f64,
    },
    /// The sender was writing payload.
    WritingPayload {
        /// The share of the writing.
        share: f64,
        /// The rate of all connections together, in octets per second.
        bytes_per_s: f64,
    },
    /// The sender did not read its replies.
    UnreadReplies {
        /// The share in which replies were unread.
        share: f64,
    },
    /// The sink waited for the sender's next command or message.
    SlowAnswers {
        /// The share in which the sink waited for the sender.
        share: f64,
        /// The mean time of the sender's answers, in µs.
        answer_us: f64,
        /// Whether more than half of this time lies between messages.
        is_between_messages: bool,
    },
    /// The sender's busiest thread was always busy.
    SenderThreadBusy {
        /// The busy share of this thread.
        busy_share: f64,
    },
    /// Round trips or losses took most of the time.
    RoundTrips {
        /// The share of the network.
        share: f64,
        /// The median of the connections' minimum round trip times, in µs.
        rtt_us: u64,
        /// The share until lost segments were sent again; `None` if no more than usual were lost.
        lost_share: Option<f64>,
    },
    /// Payload was on its way.
    PayloadInTransit {
        /// The share of the transit.
        share: f64,
        /// The rate of all connections together, in octets per second.
        bytes_per_s: f64,
    },
    /// Each side waited for the other.
    LockStep {
        /// The mean time of the sender's answers, in µs.
        answer_us: f64,
        /// The busy share of the sink's busiest event loop.
        busy_share: f64,
    },
    /// The kernel's queue of new connections was full.
    AcceptQueueFull {
        /// The number of connections that found it full.
        connections: u64,
    },
    /// Connections were turned away with 421.
    ConnectionsTurnedAway {
        /// The number of these connections.
        turned_away: u64,
        /// The number of accepted connections.
        accepted: u64,
    },
    /// The sink's busiest event loop was always busy.
    EventLoopBusy {
        /// The busy share of this loop.
        busy_share: f64,
    },
    /// The sink's event loops were ready, and had no processor.
    NoProcessor {
        /// The share in which clients waited for the loops.
        share: f64,
        /// The part of this time in which the loops had no processor.
        starved_part: f64,
    },
    /// Payload waited for room in the log.
    WaitingForStorage {
        /// The share of the waiting.
        share: f64,
    },
    /// Messages waited to be committed.
    WaitingForCommits {
        /// The share of the waiting.
        share: f64,
    },
    /// Clients waited for the sink, for several reasons together.
    WaitingForSink {
        /// The share of all three reasons.
        share: f64,
        /// The share in which clients waited for the loops.
        loops: f64,
        /// The share in which payload waited for room in the log.
        storage: f64,
        /// The share in which messages waited to be committed.
        commits: f64,
    },
    /// The run reached what the machine reaches with such mail.
    MachineCeiling(Calibrated),
}

/// How much a run recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAmount {
    /// The number of messages.
    pub messages: u64,
    /// The number of whole seconds between the first and the last message, without the seconds in
    /// which these two arrived.
    pub whole_seconds: u64,
}

impl VerdictEvidence {
    /// Returns the fact without its figures.
    pub fn reason(&self) -> VerdictReason {
        use VerdictEvidence::*;
        match self {
            NoMessageRecorded | NoMessageAccepted => VerdictReason::NoMessage,
            TooLittleData { .. } => VerdictReason::TooLittleData,
            NothingStandsOut { .. } => VerdictReason::NothingStandsOut,
            OnlySenderRecords { .. } => VerdictReason::OnlySenderRecords,
            DelayedAcknowledgements { .. } => VerdictReason::DelayedAcknowledgements,
            NoConnectionInUse { .. } => VerdictReason::NoConnectionInUse,
            WritingPayload { .. } => VerdictReason::WritingPayload,
            UnreadReplies { .. } => VerdictReason::UnreadReplies,
            SlowAnswers { .. } => VerdictReason::SlowAnswers,
            SenderThreadBusy { .. } => VerdictReason::SenderThreadBusy,
            RoundTrips { .. } => VerdictReason::RoundTrips,
            PayloadInTransit { .. } => VerdictReason::PayloadInTransit,
            LockStep { .. } => VerdictReason::LockStep,
            AcceptQueueFull { .. } => VerdictReason::AcceptQueueFull,
            ConnectionsTurnedAway { .. } => VerdictReason::ConnectionsTurnedAway,
            EventLoopBusy { .. } => VerdictReason::EventLoopBusy,
            NoProcessor { .. } => VerdictReason::NoProcessor,
            WaitingForStorage { .. } => VerdictReason::WaitingForStorage,
            WaitingForCommits { .. } => VerdictReason::WaitingForCommits,
            WaitingForSink { .. } => VerdictReason::WaitingForSink,
            MachineCeiling(_) => VerdictReason::MachineCeiling,
        }
    }
}
