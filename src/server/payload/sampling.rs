//! The choice, for each transaction, of how much of a message is stored.
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::config::Config;
use crate::config::storage::{Rules, StoreMode, StoreRule};
use crate::smtp::envelope;

/// The rules for storing, shared by all workers. Absent if everything is stored in full.
#[derive(Debug)]
pub(crate) struct Sampling {
    rules: Vec<Rule>,
    domains: Rules,
    /// The mode for recipients that no rule matches.
    otherwise: StoreMode,
}

#[derive(Debug)]
struct Rule {
    store: StoreMode,
    one_in: Option<u32>,
    /// Messages to let pass before the next one is stored in full; below 1: the next one is. All
    /// accesses pair with each other only, so relaxed ordering suffices.
    to_pass: AtomicI64,
}

/// A message counted in the sampling of a rule. If the message isn't accepted, the draw is undone
/// by [`Sampling::put_back`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    rule: u32,
    is_kept: bool,
}

impl Sampling {
    /// Returns `None` if everything is stored in full.
    pub fn new(config: &Config) -> Option<Arc<Sampling>> {
        let is_needed = config.storage.mode != StoreMode::Full || !config.storage.rules.is_empty();
        is_needed.then(|| {
            let rule = |rule: &StoreRule| Rule {
                store: rule.store,
                one_in: rule.one_in,
                to_pass: AtomicI64::new(0),
            };
            Arc::new(Sampling {
                rules: config.storage.rules.iter().map(rule).collect(),
                domains: Rules::new(&config.storage.rules),
                otherwise: config.storage.mode,
            })
        })
    }

    /// Chooses the mode of a transaction: the recipient whose mode stores most decides. Among equal
    /// modes, a rule that stores one message in N in full wins, and among those the smallest N.
    pub fn choose(&self, envelope: &[u8]) -> (StoreMode, Option<Draw>) {
        let decoded = envelope::decode(envelope).expect("the session encodes valid envelopes");
        let mut best: Option<(StoreMode, u32, Option<usize>)> = None;
        for recipient in decoded.recipients() {
            let rule = self.domains.find(recipient.path);
            let store = rule.map_or(self.otherwise, |rule| self.rules[rule].store);
            let one_in = rule.and_then(|rule| self.rules[rule].one_in).unwrap_or(u32::MAX);
            // A higher mode stores more, and so does a lower N.
            let keeps = (store, u32::MAX - one_in, rule);
            if best.is_none_or(|best| (best.0, best.1) < (keeps.0, keeps.1)) {
                best = Some(keeps);
            }
            if store == StoreMode::Full {
                break;
            }
        }
        let (store, _, rule) = best.unwrap_or((self.otherwise, 0, None));
        match rule.and_then(|rule| self.draw(rule)) {
            Some(draw) if draw.is_kept => (StoreMode::Full, Some(draw)),
            draw => (store, draw),
        }
    }

    /// Counts a message in the sampling of `rule`: the first one is stored in full, and then one in
    /// N.
    fn draw(&self, rule: usize) -> Option<Draw> {
        let Rule { one_in, to_pass, .. } = &self.rules[rule];
        let others = i64::from((*one_in)?) - 1;
        let next = |left: i64| if left < 1 { left + others } else { left - 1 };
        let before =
            to_pass.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(next(left)));
        let is_kept = before.is_ok_and(|left| left < 1);
        let rule = u32::try_from(rule).expect("there are fewer than 2^32 rules");
        Some(Draw { rule, is_kept })
    }

    /// Undoes a draw, because its message was not accepted.
    pub fn put_back(&self, draw: Draw) {
        let Rule { one_in, to_pass, .. } = &self.rules[draw.rule as usize];
        let others = i64::from(one_in.unwrap_or(1)) - 1;
        to_pass.fetch_add(if draw.is_kept { -others } else { 1 }, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::storage::add_rule;
    use crate::smtp::envelope::{Tag, append_field};

    fn sampling(store: StoreMode, rules: &[&str]) -> Arc<Sampling> {
        let mut config = Config::default();
        config.storage.mode = store;
        rules.iter().for_each(|rule| add_rule(&mut config.storage.rules, rule).unwrap());
        Sampling::new(&config).unwrap()
    }

    fn envelope(recipients: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_field(&mut bytes, Tag::Version, &[envelope::VERSION]);
        recipients.iter().for_each(|to| append_field(&mut bytes, Tag::ForwardPath, to.as_bytes()));
        bytes
    }

    #[test]
    fn full_without_rules_needs_no_sampling() {
        assert!(Sampling::new(&Config::default()).is_none());
    }

    #[test]
    fn the_mode_that_stores_most_wins() {
        let rules = ["a.example=headers", "b.example=none", "*.example=envelope"];
        let sampling = sampling(StoreMode::Nothing, &rules);
        for (to, store) in [
            (&["x@a.example"][..], StoreMode::Headers),
            (&["x@b.example", "x@c.example"], StoreMode::Envelope),
            (&["x@b.example", "x@a.example", "x@c.example"], StoreMode::Headers),
            (&["x@b.example", "postmaster"], StoreMode::Nothing),
        ] {
            assert_eq!(sampling.choose(&envelope(to)), (store, None), "{to:?}");
        }
    }

    #[test]
    fn one_in_n_is_exact_over_threads() {
        let sampling = sampling(StoreMode::Full, &["*=none/7"]);
        let envelope = envelope(&["x@a.example"]);
        let kept = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..700 {
                        if sampling.choose(&envelope).0 == StoreMode::Full {
                            kept.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(kept.into_inner(), 400);
    }

    #[test]
    fn a_message_that_was_not_accepted_does_not_count_as_drawn() {
        let sampling = sampling(StoreMode::Full, &["*=none/3"]);
        let envelope = envelope(&["x@a.example"]);
        let draw = || sampling.choose(&envelope);
        for _ in 0..5 {
            let (store, first) = draw();
            assert_eq!(store, StoreMode::Full);
            sampling.put_back(first.unwrap());
        }
        assert_eq!(draw().0, StoreMode::Full);
        for _ in 0..5 {
            let (store, other) = draw();
            assert_eq!(store, StoreMode::Nothing);
            sampling.put_back(other.unwrap());
        }
        let stores: Vec<StoreMode> = (0..3).map(|_| draw().0).collect();
        assert_eq!(stores, [StoreMode::Nothing, StoreMode::Nothing, StoreMode::Full]);
    }

    #[test]
    fn only_the_rule_that_wins_is_drawn() {
        let sampling = sampling(StoreMode::Nothing, &["a=headers", "b=headers/2", "c=none/2"]);
        let all = envelope(&["x@c", "x@a", "x@b"]);
        let stores: Vec<StoreMode> = (0..4).map(|_| sampling.choose(&all).0).collect();
        assert_eq!(
            stores,
            [StoreMode::Full, StoreMode::Headers, StoreMode::Full, StoreMode::Headers]
        );
        assert_eq!(
            sampling.choose(&envelope(&["x@c"])).0,
            StoreMode::Full,
            "c's counter did not move"
        );
    }
}
