//! Counts messages by name, in bounded memory whatever the names are.
//!
//! Up to [`TIMES_MAX`] names, one pass counts everything. Up to [`NAMES_MAX`] names, the first pass
//! finds the names to show, and a second pass counts those with their times
//! ([`Groups::for_names`]). Beyond that, the names with the fewest messages are dropped. An upper
//! bound on the messages of each dropped name is known, so a name with more messages is never lost.
use std::collections::HashMap;

use crate::smtp::deviation::{Deviation, Deviations};
use crate::stats::Metric;
use hdrhistogram::Histogram;

use crate::analysis::transit::{TransitSample, TransitTally};

/// Maximum number of names that are counted separately: about 30 MB of memory per thread, 150 MB if
/// all names have the maximum length of a path, and 8 MB more if all have deviations.
pub const NAMES_MAX: usize = 100_000;
/// Maximum number of names with transaction times, at 30 KiB each, and 40 KiB more with transit
/// times. It is also the maximum number of names that are shown.
pub const TIMES_MAX: usize = 500;

/// The facts about one message that groups count.
#[derive(Debug, Clone, Copy)]
pub struct GroupedMessage {
    /// Number of forward-paths that belong to the group.
    pub recipients: u64,
    pub bytes: u64,
    pub transaction_us: u64,
    /// Kinds of deviations that were tolerated in the message.
    pub deviations: Deviations,
    /// `None` if no header field is read.
    pub transit: Option<TransitSample>,
}

/// Number of messages with each kind of deviation, in the order of the kinds.
pub type DeviationCounts = [u64; Deviation::ALL.len()];

/// The counts of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupTally {
    pub messages: u64,
    pub recipients: u64,
    pub bytes: u64,
    /// `None` if some times of the group are unknown.
    pub times: Option<Box<Histogram<u64>>>,
    /// `None` if no header field is read, or if `times` is `None`.
    pub transits: Option<Box<TransitTally>>,
    /// `None` if no message of the group has a deviation.
    pub deviations: Option<Box<DeviationCounts>>,
}

/// Groups by name, and one for all other messages.
#[derive(Debug, Clone)]
pub struct Groups {
    named: HashMap<Box<[u8]>, GroupTally>,
    /// Messages of all other names; without times while names may still be added.
    others: GroupTally,
    /// True if no further names are added.
    is_closed: bool,
    names_max: usize,
    /// An upper bound on the messages of each dropped name: the sum of the largest groups dropped
    /// at a time, as a name can be dropped several times.
    forgotten_max: u64,
}

/// The groups with the most messages, and the rest.
#[derive(Debug)]
pub struct TopGroups {
    /// Named groups, most messages first.
    pub named: Vec<(Box<[u8]>, GroupTally)>,
    pub others: GroupTally,
    /// The number of names in `others`; `None` if there were too many to count.
    pub others_names: Option<u64>,
    /// An upper bound on the messages of each of these names.
    pub others_messages_max: u64,
    /// Whether no name was dropped, and times were counted for all.
    pub is_complete: bool,
}

impl GroupTally {
    fn with_times() -> GroupTally {
        GroupTally {
            times: Some(Box::new(Metric::Transaction.histogram())),
            ..GroupTally::default()
        }
    }

    fn add(&mut self, one: &GroupedMessage) {
        self.messages += 1;
        self.recipients += one.recipients;
        self.bytes += one.bytes;
        if let Some(times) = &mut self.times {
            times.saturating_record(one.transaction_us);
            if let Some(transit) = one.transit {
                self.transits.get_or_insert_default().add(transit);
            }
        }
        for kind in one.deviations.kinds() {
            self.deviations.get_or_insert_default()[kind as usize - 1] += 1;
        }
    }

    fn merge(&mut self, other: &GroupTally) {
        self.messages += other.messages;
        self.recipients += other.recipients;
        self.bytes += other.bytes;
        if let Some(theirs) = &other.deviations {
            let mine = self.deviations.get_or_insert_default();
            mine.iter_mut().zip(theirs.iter()).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.times = match (self.times.take(), &other.times) {
            (Some(mut mine), Some(theirs)) => {
                mine.add(&**theirs).expect("both have the bounds of the metric");
                Some(mine)
            }
            _ => None,
        };
        match &other.transits {
            _ if self.times.is_none() => self.transits = None,
            Some(theirs) => self.transits.get_or_insert_default().merge(theirs),
            None => {}
        }
    }
}

impl Groups {
    /// Returns empty groups that accept any names.
    pub fn new() -> Groups {
        Groups::with_names_max(NAMES_MAX)
    }

    fn with_names_max(names_max: usize) -> Groups {
        Groups {
            named: HashMap::new(),
            others: GroupTally::default(),
            is_closed: false,
            names_max,
            forgotten_max: 0,
        }
    }

    /// Returns empty groups for exactly these names, and one for all others. All have transaction
    /// times, at 30 KiB each.
    pub fn for_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> Groups {
        let named = names.map(|name| (name.into(), GroupTally::with_times())).collect();
        Groups { named, others: GroupTally::with_times(), is_closed: true, ..Groups::new() }
    }

    /// Counts a message. Takes a lookup, and beyond the bound an occasional pass over all names.
    pub fn add(&mut self, name: &[u8], one: &GroupedMessage) {
        if let Some(group) = self.named.get_mut(name) {
            return group.add(one);
        }
        if self.is_closed {
            return self.others.add(one);
        }
        self.make_room();
        let has_times = self.named.len() < TIMES_MAX;
        let mut group = if has_times { GroupTally::with_times() } else { GroupTally::default() };
        group.add(one);
        self.named.insert(name.into(), group);
    }

    /// Drops at least the half of the names with the fewest messages, if there are too many.
    fn make_room(&mut self) {
        if self.named.len() < self.names_max {
            return;
        }
        let mut counts: Vec<u64> = self.named.values().map(|group| group.messages).collect();
        let middle = (counts.len() - 1) / 2;
        let (_, few, _) = counts.select_nth_unstable(middle);
        for (_, group) in self.named.extract_if(|_, group| group.messages <= *few) {
            self.others.merge(&group);
        }
        self.forgotten_max += *few;
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: Groups) {
        for (name, group) in other.named {
            match self.named.get_mut(&name) {
                Some(mine) => mine.merge(&group),
                None => {
                    self.make_room();
                    self.named.insert(name, group);
                }
            }
        }
        self.others.merge(&other.others);
        self.forgotten_max += other.forgotten_max;
    }

    /// Returns the groups with the most messages, at most `shown`; equal ones are ordered by name.
    pub fn into_top(self, shown: usize) -> TopGroups {
        let (is_closed, forgotten_max) = (self.is_closed, self.forgotten_max);
        let mut named: Vec<(Box<[u8]>, GroupTally)> = self.named.into_iter().collect();
        named.retain(|(_, group)| group.messages > 0);
        named.sort_unstable_by(|a, b| (b.1.messages, &a.0).cmp(&(a.1.messages, &b.0)));
        let rest = named.split_off(shown.min(named.len()));
        let most = rest.first().map_or(0, |(_, group)| group.messages);
        let mut others =
            if is_closed || forgotten_max > 0 { self.others } else { GroupTally::with_times() };
        rest.iter().for_each(|(_, group)| others.merge(group));
        let has_times = named.iter().all(|(_, group)| group.times.is_some());
        TopGroups {
            is_complete: forgotten_max == 0 && has_times && others.times.is_some(),
            others_names: (forgotten_max == 0).then_some(rest.len() as u64),
            others_messages_max: most + forgotten_max,
            named,
            others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: GroupedMessage = GroupedMessage {
        recipients: 2,
        bytes: 10,
        transaction_us: 70,
        deviations: Deviations::NONE,
        transit: None,
    };

    #[test]
    fn transit_times_add_up_and_are_of_all_messages_of_a_group_or_absent() {
        let resolution = crate::mime::sent_time::Resolution::Millisecond;
        let transit = Some(TransitSample::Time { us: 5_000, resolution });
        let one = GroupedMessage { transit, ..ONE };
        let (mut groups, mut more) = (Groups::new(), Groups::new());
        groups.add(b"a", &one);
        more.add(b"a", &one);
        more.add(b"b", &GroupedMessage { transit: Some(TransitSample::WithoutField), ..ONE });
        groups.merge(more);
        let figures = |group: &GroupTally| {
            let transit = group.transits.as_ref().unwrap().figures();
            (transit.transit_us.count, transit.without_field)
        };
        let mut top = groups.into_top(1);
        assert_eq!((figures(&top.named[0].1), figures(&top.others)), ((2, 0), (0, 1)));
        // A group that lacks the times of some messages drops the others.
        let rest = GroupTally { messages: 1, ..GroupTally::default() };
        top.others.merge(&rest);
        assert!(top.others.times.is_none() && top.others.transits.is_none());
    }

    #[test]
    fn broken_rules_are_counted_by_kind_and_add_up() {
        let both = |kinds: &[Deviation]| {
            let mut deviations = Deviations::NONE;
            kinds.iter().for_each(|kind| deviations.add(*kind));
            GroupedMessage { deviations, ..ONE }
        };
        let (mut groups, mut more) = (Groups::new(), Groups::new());
        groups.add(b"a", &both(&[Deviation::Underscore, Deviation::Dots]));
        groups.add(b"b", &ONE);
        more.add(b"a", &both(&[Deviation::Dots]));
        groups.merge(more);
        let top = groups.into_top(2);
        assert_eq!(top.named[0].1.deviations.as_deref(), Some(&[1, 0, 0, 0, 0, 0, 0, 0, 2]));
        assert_eq!(top.named[1].1.deviations, None);
    }

    #[test]
    fn up_to_the_bound_everything_is_exact_in_one_pass() {
        let mut groups = Groups::new();
        let mut more = Groups::new();
        for n in 0..10_u64 {
            for _ in 0..=n {
                groups.add(format!("{n}").as_bytes(), &ONE);
                more.add(format!("{n}").as_bytes(), &ONE);
            }
        }
        groups.merge(more);
        let top = groups.into_top(3);
        let shown: Vec<_> = top.named.iter().map(|(name, g)| (&**name, g.messages)).collect();
        assert_eq!(shown, [(&b"9"[..], 20), (b"8", 18), (b"7", 16)]);
        assert_eq!((top.others.messages, top.others.recipients, top.others.bytes), (56, 112, 560));
        assert_eq!(
            (top.others_names, top.others_messages_max, top.is_complete),
            (Some(7), 14, true)
        );
        assert_eq!(top.others.times.unwrap().len(), 56);
    }

    #[test]
    fn names_beyond_those_with_times_are_counted_again() {
        let mut groups = Groups::new();
        (0..=TIMES_MAX).for_each(|n| groups.add(format!("{n}").as_bytes(), &ONE));
        let top = groups.into_top(1);
        assert!(!top.is_complete && top.others_names == Some(TIMES_MAX as u64));
        let mut again = Groups::for_names(top.named.iter().map(|(name, _)| &**name));
        (0..=TIMES_MAX).for_each(|n| again.add(format!("{n}").as_bytes(), &ONE));
        let top = again.into_top(1);
        assert!(top.is_complete);
        assert_eq!((top.named[0].1.messages, top.others.messages), (1, TIMES_MAX as u64));
        assert_eq!(top.others.times.unwrap().len(), TIMES_MAX as u64);
    }

    /// A sender that makes up a domain for each recipient can't hide other senders.
    #[test]
    fn a_name_with_more_messages_than_were_forgotten_is_never_lost() {
        let mut parts = [Groups::with_names_max(100), Groups::with_names_max(100)];
        for n in 0..20_000 {
            let groups = &mut parts[n % 2];
            groups.add(format!("made-up-{n}").as_bytes(), &ONE);
            if n % 20 < 2 {
                groups.add(b"real", &ONE);
            }
            assert!(groups.named.len() <= 100);
        }
        let [mut groups, more] = parts;
        groups.merge(more);
        let top = groups.into_top(1);
        assert_eq!((&*top.named[0].0, top.others_names), (&b"real"[..], None));
        assert!(!top.is_complete && top.others_messages_max < 1000, "{}", top.others_messages_max);
        assert_eq!(top.named[0].1.messages + top.others.messages, 22_000);
    }
}
