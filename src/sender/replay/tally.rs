//! Counts the outcomes of a replay so far, for other threads.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

/// Maximum number of messages of each kind that are listed individually.
const LISTED_MAX: usize = 5;
/// Maximum number of listed messages with unknown outcome, which users may want to look up.
const UNSURE_LISTED_MAX: usize = 1000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What is counted; messages, unless stated otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ReplayCount { $($(#[$doc])* $kind,)* }

        impl ReplayCount {
            /// All kinds.
            pub const ALL: &[ReplayCount] = &[$(ReplayCount::$kind,)*];
        }
    };
}

kinds! {
    /// Handed out to be sent, for the first time in this process.
    Started,
    /// Accepted for all recipients.
    Accepted,
    /// Accepted for some recipients, and rejected for the others.
    PartlyAccepted,
    /// Rejected for all recipients (5xx).
    Rejected,
    /// Deferred for some recipient (4xx), and not tried again.
    Deferred,
    /// Not sent, because connections failed.
    NotSent,
    /// The end of data was sent, but no reply came.
    Unknown,
    /// Not sent, because they must not be sent to this target.
    Withheld,
    /// Attempts after the first.
    Retried,
    /// Sent although an earlier attempt may have been accepted.
    PossibleDuplicates,
    /// Finished before, according to the resume file: accepted or rejected.
    FinishedEarlier,
    /// Not stored in full, so they can't be sent.
    NotStored,
    /// Removed, pruned, or never existed.
    Gone,
    /// Messages that can't be read.
    Damaged,
    /// Messages for which no envelope can be made.
    Unsendable,
    /// Recipients for whom a message was accepted.
    RecipientsAccepted,
    /// Recipients for whom a message was rejected.
    RecipientsRejected,
    /// Recipients that rewriting made equal to another one of the same message.
    RecipientsDuplicate,
    /// Octets of the messages that were accepted for some recipient (RFC 1870).
    Octets,
    /// How often the resume file could not be written at the end, so that it is incomplete.
    Unwritten,
}

/// The counts of a replay in progress. All its threads add to it.
#[derive(Debug)]
pub struct ReplayTally {
    counts: [AtomicU64; ReplayCount::ALL.len()],
    listed: Mutex<Vec<(ReplayCount, String)>>,
}

impl Default for ReplayTally {
    fn default() -> ReplayTally {
        ReplayTally {
            counts: [const { AtomicU64::new(0) }; ReplayCount::ALL.len()],
            listed: Mutex::default(),
        }
    }
}

impl ReplayTally {
    /// Returns the count of a kind.
    pub fn count(&self, kind: ReplayCount) -> u64 {
        self.counts[kind as usize].load(Relaxed)
    }

    pub(super) fn add(&self, kind: ReplayCount, count: u64) {
        self.counts[kind as usize].fetch_add(count, Relaxed);
    }

    /// Counts one of `kind`, and keeps `what` if it is among the first.
    pub(super) fn add_listed(&self, kind: ReplayCount, what: impl FnOnce() -> String) {
        self.add(kind, 1);
        let listed_max = match kind {
            ReplayCount::Unknown | ReplayCount::PossibleDuplicates => UNSURE_LISTED_MAX,
            _ => LISTED_MAX,
        };
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if listed.iter().filter(|(other, _)| *other == kind).count() < listed_max {
            listed.push((kind, what()));
        }
    }

    /// Returns the first messages of a kind: ids, with a reason if there is one.
    pub fn listed(&self, kind: ReplayCount) -> Vec<String> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.iter().filter(|(other, _)| *other == kind).map(|(_, what)| what.clone()).collect()
    }

    /// Returns the number of messages that this replay is done with: finished, given up or skipped.
    pub fn finished(&self) -> u64 {
        use ReplayCount::*;
        let kinds = [Accepted, PartlyAccepted, Rejected, Deferred, NotSent, Unknown, Withheld];
        kinds.iter().map(|kind| self.count(*kind)).sum::<u64>() + self.skipped()
    }

    /// Returns the number of messages that could not be handed out.
    pub fn skipped(&self) -> u64 {
        use ReplayCount::*;
        [NotStored, Gone, Damaged, Unsendable].iter().map(|kind| self.count(*kind)).sum()
    }

    /// Returns the number of finished messages that a resumed replay tries again. The others are
    /// final, or can't be handed out.
    pub fn tried_again(&self) -> u64 {
        use ReplayCount::*;
        [Deferred, NotSent, Unknown, Withheld].iter().map(|kind| self.count(*kind)).sum()
    }

    /// Returns whether every finished message was accepted for all of its recipients, and none was
    /// skipped.
    pub fn is_all_accepted(&self) -> bool {
        self.count(ReplayCount::Accepted) == self.finished()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_replay_tries_again_what_is_not_final() {
        use ReplayCount::*;
        for (kind, is_final) in [
            (Accepted, true),
            (PartlyAccepted, true),
            (Rejected, true),
            (Deferred, false),
            (NotSent, false),
            (Unknown, false),
            (Withheld, false),
            (NotStored, true),
            (Gone, true),
            (Damaged, true),
            (Unsendable, true),
        ] {
            let tally = ReplayTally::default();
            tally.add(kind, 1);
            assert_eq!(tally.finished(), 1, "{kind:?}");
            assert_eq!(tally.tried_again(), u64::from(!is_final), "{kind:?}");
        }
    }

    #[test]
    fn only_the_first_examples_are_listed() {
        let tally = ReplayTally::default();
        tally.add(ReplayCount::Accepted, 3);
        assert!(tally.is_all_accepted());
        for number in 0..7 {
            tally.add_listed(ReplayCount::Gone, || number.to_string());
        }
        tally.add_listed(ReplayCount::Damaged, || "x".into());
        for number in 0..UNSURE_LISTED_MAX + 1 {
            tally.add_listed(ReplayCount::Unknown, || number.to_string());
        }
        assert_eq!(tally.listed(ReplayCount::Unknown).len(), UNSURE_LISTED_MAX);
        assert_eq!(tally.listed(ReplayCount::Gone), ["0", "1", "2", "3", "4"]);
        assert_eq!(tally.listed(ReplayCount::Damaged), ["x"]);
        assert_eq!(
            (tally.count(ReplayCount::Gone), tally.skipped(), tally.finished()),
            (7, 8, 11 + 1001)
        );
        assert!(!tally.is_all_accepted());
    }
}
