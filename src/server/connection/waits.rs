//! What a connection waits for between two of its turns.
//!
//! One value says which list of the table the connection is in, whether events of its socket
//! matter, and since when its payload has waited for room.
use crate::time::MonotonicMs;

/// How a turn ended: what the connection needs to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// More input.
    Idle,
    /// Nothing: it yielded to the others, and continues when the ready list runs next.
    Again,
    /// Room in the log, or the end of a commit.
    Parked,
    /// Room in the socket.
    Blocked,
    /// Room in the socket, while its message is being committed.
    BlockedInCommit,
    /// Admission and a greeting: PROXY or XCLIENT has named its client.
    Identified,
    /// A turn among the handshakes: its handshake begins.
    StartsTls,
    /// Nothing: the connection has ended.
    Closed,
}

/// The condition for a connection's next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Input from its client.
    Octets,
    /// Room in the socket for replies.
    Replies,
    /// Room in the socket for replies, or the end of the commit in progress.
    RepliesOrCommit,
    /// Room in the log, or the end of its message's commit. Nothing is read meanwhile.
    Log { since_ms: MonotonicMs },
    /// Its place in the ready list, which runs next. Events of its socket don't matter.
    Turn,
    /// The same; it has waited for the log since `since_ms`, and there may be room now.
    TurnAfterLog { since_ms: MonotonicMs },
    /// The end of its turn, for which it was just taken from the ready list.
    EndOfTurn,
    /// The same; the turn is another attempt to find room in the log.
    EndOfTurnAfterLog { since_ms: MonotonicMs },
    /// No turn follows, because it has ended.
    Closed,
}

impl Waits {
    /// Returns the condition after a turn that ended with `turn` at `now_ms`.
    pub fn after(self, turn: TurnEnd, now_ms: MonotonicMs) -> Waits {
        match turn {
            TurnEnd::Idle => Waits::Octets,
            TurnEnd::Again | TurnEnd::Identified | TurnEnd::StartsTls => Waits::Turn,
            // Another attempt that finds no room does not restart the wait.
            TurnEnd::Parked => Waits::Log { since_ms: self.log_since_ms().unwrap_or(now_ms) },
            TurnEnd::Blocked => Waits::Replies,
            TurnEnd::BlockedInCommit => Waits::RepliesOrCommit,
            TurnEnd::Closed => Waits::Closed,
        }
    }

    /// Returns since when its payload has waited for the log, across all attempts.
    pub fn log_since_ms(self) -> Option<MonotonicMs> {
        match self {
            Waits::Log { since_ms }
            | Waits::TurnAfterLog { since_ms }
            | Waits::EndOfTurnAfterLog { since_ms } => Some(since_ms),
            Waits::Octets
            | Waits::Replies
            | Waits::RepliesOrCommit
            | Waits::Turn
            | Waits::EndOfTurn
            | Waits::Closed => None,
        }
    }

    /// Lets the connection continue now if it waits for the log.
    pub fn log_may_have_room(self) -> Waits {
        match self {
            Waits::Log { since_ms } => Waits::TurnAfterLog { since_ms },
            Waits::RepliesOrCommit => Waits::Turn,
            other => other,
        }
    }

    /// Takes the connection out of the ready list for its turn.
    pub fn turn_begins(self) -> Waits {
        match self {
            Waits::Turn => Waits::EndOfTurn,
            Waits::TurnAfterLog { since_ms } => Waits::EndOfTurnAfterLog { since_ms },
            other => other,
        }
    }

    /// Returns whether an event of its socket starts a turn.
    pub fn is_for_socket(self) -> bool {
        matches!(self, Waits::Octets | Waits::Replies | Waits::RepliesOrCommit)
    }

    /// Returns whether the connection waits for the log.
    pub fn is_for_log(self) -> bool {
        matches!(self, Waits::RepliesOrCommit | Waits::Log { .. })
    }

    /// Returns whether the connection is in the ready list.
    pub fn is_for_turn(self) -> bool {
        matches!(self, Waits::Turn | Waits::TurnAfterLog { .. })
    }

    /// Returns whether it waits for room in its socket.
    pub fn is_for_replies(self) -> bool {
        matches!(self, Waits::Replies | Waits::RepliesOrCommit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MonotonicMs {
        MonotonicMs::new(ms)
    }

    #[test]
    fn the_wait_for_the_log_counts_from_the_first_attempt() {
        let first = Waits::Octets.after(TurnEnd::Parked, ms(5));
        assert_eq!(first, Waits::Log { since_ms: ms(5) });
        let retry = first.log_may_have_room();
        assert!(retry.is_for_turn() && !retry.is_for_socket());
        let retry = retry.turn_begins();
        assert!(!retry.is_for_turn(), "it can be put into the ready list again");
        assert_eq!(retry.after(TurnEnd::Parked, ms(9)), Waits::Log { since_ms: ms(5) });
        let continued = retry.after(TurnEnd::Again, ms(9));
        assert_eq!(continued.after(TurnEnd::Parked, ms(11)), Waits::Log { since_ms: ms(11) });
    }

    #[test]
    fn nothing_wakes_a_connection_that_has_ended() {
        let ended = Waits::Log { since_ms: ms(3) }.after(TurnEnd::Closed, ms(5));
        assert!(!ended.is_for_socket() && !ended.is_for_log() && !ended.is_for_turn());
        assert_eq!(ended.log_may_have_room(), ended);
    }

    #[test]
    fn room_in_the_log_resumes_only_connections_that_wait_for_it() {
        for (turn, resumes) in [
            (TurnEnd::Idle, false),
            (TurnEnd::Blocked, false),
            (TurnEnd::Again, false),
            (TurnEnd::BlockedInCommit, true),
            (TurnEnd::Parked, true),
        ] {
            let waits = Waits::Octets.after(turn, ms(1));
            assert_eq!(waits.is_for_log(), resumes, "{turn:?}");
            assert_eq!(waits.log_may_have_room() != waits, resumes, "{turn:?}");
            let ways = [waits.is_for_socket(), waits.is_for_log(), waits.is_for_turn()];
            assert!(ways.contains(&true), "{turn:?}: nothing would wake it");
        }
    }
}
