//! Decides how often and for how long to retry a target whose connections fail.
use std::time::Duration;

use crate::time::MonotonicNs;

/// Pause after a useless connection, doubled each time.
const BACKOFF: Duration = Duration::from_millis(50);
const DOUBLINGS_MAX: u32 = 6;
/// A target counts as lost after failing for this long.
const LOST: Duration = Duration::from_secs(1);

/// The state of the other connections when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherConnections {
    /// At least one is useful. A target that serves some connections and turns others away is
    /// reachable.
    SomeUseful,
    /// None is useful.
    NoneUseful,
}

/// Whether to keep trying a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// After the pause.
    Later,
    /// Never: connections have failed for too long, and none was useful.
    Never,
}

/// What one thread knows about failed connections.
#[derive(Debug)]
pub struct FailedConnections {
    patience: Duration,
    /// The pause after the last connection; `None` if it was useful, or if there was none.
    backoff: Option<Backoff>,
    /// When the first of the connections that failed was requested; `None` if another one was
    /// useful meanwhile.
    failing_ns: Option<MonotonicNs>,
    /// When a connection was last useful, of this thread or another one.
    last_useful_ns: Option<MonotonicNs>,
}

/// The pause after connections that failed.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    /// The number of consecutive failures; at least 1.
    failures: u32,
    /// When the next attempt is allowed.
    retry_ns: MonotonicNs,
}

impl FailedConnections {
    /// Starts without failures. `patience` is the time for which connections may fail while none is
    /// useful.
    pub fn new(patience: Duration) -> FailedConnections {
        FailedConnections { patience, backoff: None, failing_ns: None, last_useful_ns: None }
    }

    /// Returns whether a connection may be attempted now.
    pub fn allows(&self, now_ns: MonotonicNs) -> bool {
        self.retry_ns().is_none_or(|retry_ns| now_ns >= retry_ns)
    }

    /// Returns when the next attempt is allowed; `None` if the last connection did not fail.
    pub fn retry_ns(&self) -> Option<MonotonicNs> {
        self.backoff.map(|backoff| backoff.retry_ns)
    }

    /// Records that a connection requested at `requested_ns` failed before it was useful.
    pub fn record_failure(
        &mut self,
        requested_ns: MonotonicNs,
        now_ns: MonotonicNs,
        others: OtherConnections,
    ) -> NextAttempt {
        let failures = self.backoff.map_or(0, |backoff| backoff.failures);
        let pause = BACKOFF * (1 << failures.min(DOUBLINGS_MAX));
        self.backoff =
            Some(Backoff { failures: failures + 1, retry_ns: now_ns.saturating_add(pause) });
        if others == OtherConnections::SomeUseful {
            self.stop_failing(now_ns);
            return NextAttempt::Later;
        }
        self.failing_ns.get_or_insert(requested_ns);
        if self.failed_for(now_ns) >= self.patience {
            NextAttempt::Never
        } else {
            NextAttempt::Later
        }
    }

    /// Returns whether connections have failed for a second or more, with no useful one since.
    pub fn is_failing(&self, now_ns: MonotonicNs) -> bool {
        self.failed_for(now_ns) >= LOST
    }

    /// Returns for how long connections have failed with no useful one since; 0 if none has.
    fn failed_for(&self, now_ns: MonotonicNs) -> Duration {
        let since_ns = self.failing_ns.max(self.failing_ns.and(self.last_useful_ns));
        since_ns.map_or(Duration::ZERO, |since_ns| now_ns.since(since_ns))
    }

    /// Returns whether any connection was ever useful, including those of other threads.
    pub fn was_ever_useful(&self) -> bool {
        self.last_useful_ns.is_some()
    }

    /// Records that another thread had a useful connection until `at_ns`.
    pub fn record_useful_elsewhere(&mut self, at_ns: MonotonicNs) {
        self.last_useful_ns = self.last_useful_ns.max(Some(at_ns));
    }

    /// Records the end of a useful connection.
    pub fn record_useful(&mut self, now_ns: MonotonicNs) {
        self.backoff = None;
        self.stop_failing(now_ns);
    }

    fn stop_failing(&mut self, now_ns: MonotonicNs) {
        self.failing_ns = None;
        self.last_useful_ns = Some(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn at(ns: u64) -> MonotonicNs {
        MonotonicNs::new(ns)
    }

    fn fail(
        patience: &mut FailedConnections,
        requested_ns: MonotonicNs,
        now_ns: MonotonicNs,
    ) -> NextAttempt {
        patience.record_failure(requested_ns, now_ns, OtherConnections::NoneUseful)
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let mut patience = FailedConnections::new(Duration::from_secs(3600));
        assert!(patience.allows(MonotonicNs::START) && patience.retry_ns().is_none());
        let mut now_ns = at(S);
        for pause_ms in [50, 100, 200, 400, 800, 1600, 3200, 3200] {
            assert_eq!(fail(&mut patience, now_ns, now_ns), NextAttempt::Later);
            now_ns = now_ns.saturating_add(Duration::from_millis(pause_ms));
            assert_eq!(patience.retry_ns(), Some(now_ns));
            assert!(patience.allows(now_ns) && !patience.allows(at(now_ns.get() - 1)));
        }
        patience.record_useful(now_ns);
        assert!(patience.retry_ns().is_none());
        assert_eq!(fail(&mut patience, now_ns, now_ns), NextAttempt::Later);
        assert_eq!(patience.retry_ns(), Some(now_ns.saturating_add_ns(50_000_000)));
    }

    /// A story lists events, each with its second. `f`: a connection fails at once; `l`: one fails
    /// that was requested 5 s earlier; `s`: one fails at once while another is useful; `u`: a
    /// useful one ends. `!` means that the target is given up.
    #[track_caller]
    fn check(story: &str) {
        let mut patience = FailedConnections::new(Duration::from_secs(10));
        for event in story.split(' ') {
            let (what, when) = event.split_at(1);
            let (when, is_over) = (when.trim_end_matches('!'), when.ends_with('!'));
            let now_ns = at(when.parse::<u64>().unwrap() * S);
            let next = match what {
                "f" => fail(&mut patience, now_ns, now_ns),
                "l" => fail(&mut patience, at(now_ns.get() - 5 * S), now_ns),
                "s" => patience.record_failure(now_ns, now_ns, OtherConnections::SomeUseful),
                _ => {
                    patience.record_useful(now_ns);
                    NextAttempt::Later
                }
            };
            assert_eq!(next == NextAttempt::Never, is_over, "{story}: {event}");
        }
    }

    #[test]
    fn a_target_is_lost_when_it_fails_for_a_second_and_serves_no_thread() {
        let mut patience = FailedConnections::new(Duration::from_secs(10));
        assert!(!patience.is_failing(at(100 * S)));
        fail(&mut patience, at(S), at(S));
        assert!(!patience.is_failing(at(2 * S - 1)) && patience.is_failing(at(2 * S)));
        patience.record_useful_elsewhere(at(2 * S));
        assert!(!patience.is_failing(at(3 * S - 1)) && patience.is_failing(at(3 * S)));
        // A target that serves other threads is not given up either.
        assert_eq!(fail(&mut patience, at(11 * S), at(11 * S)), NextAttempt::Later);
        assert_eq!(fail(&mut patience, at(12 * S), at(12 * S)), NextAttempt::Never);
        patience.record_useful(at(13 * S));
        assert!(!patience.is_failing(at(100 * S)) && patience.allows(at(13 * S)));
    }

    #[test]
    fn the_target_is_given_up_after_patience_without_a_useful_connection() {
        check("f0 f5 f9 f10!");
        check("f100 f109 f110!"); // from the first failure, not from the start
        check("l105 f109 f110!"); // from its request, 5 s before its failure
        check("f0 f9 u9 f18 f27 f28!");
        check("u50 l52 f59 f60!"); // not while another one was useful
        check("f0 f9 s12 f13 f22 f23!");
        check("s0 s100 s200");
    }
}
