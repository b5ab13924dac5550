//! A set of message ids that takes little room where neighbors are in it.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::log::MessageId;

/// Ids as ranges of slots: 16 octets and a little for each range, however long it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet {
    /// Segment and first slot, mapped to one after the last slot. Ranges neither overlap nor touch.
    ranges: BTreeMap<(u32, u32), u32>,
}

impl IdSet {
    /// Returns whether the set has this id. Costs a look-up.
    pub fn contains(&self, id: MessageId) -> bool {
        self.at(id).is_some()
    }

    /// The range that has it.
    fn at(&self, id: MessageId) -> Option<Range<u32>> {
        let (&(segment, start), &end) = self.ranges.range(..=(id.segment, id.slot)).next_back()?;
        (segment == id.segment && id.slot < end).then_some(start..end)
    }

    /// Puts an id in.
    pub fn insert(&mut self, id: MessageId) {
        if id.slot < u32::MAX {
            self.insert_range(id.segment, id.slot..id.slot + 1);
        }
    }

    /// Puts the slots of a range in.
    pub fn insert_range(&mut self, segment: u32, slots: Range<u32>) {
        if slots.is_empty() {
            return;
        }
        let (mut start, mut end) = (slots.start, slots.end);
        // Swallows what it touches, from the last one back.
        while let Some((&(_, s), &e)) = self.ranges.range((segment, 0)..=(segment, end)).next_back()
        {
            if e < start {
                break;
            }
            (start, end) = (start.min(s), end.max(e));
            self.ranges.remove(&(segment, s));
        }
        self.ranges.insert((segment, start), end);
    }

    /// Takes an id out; was it in there?
    pub fn remove(&mut self, id: MessageId) -> bool {
        let Some(range) = self.at(id) else { return false };
        self.ranges.remove(&(id.segment, range.start));
        self.insert_range(id.segment, range.start..id.slot);
        self.insert_range(id.segment, id.slot + 1..range.end);
        true
    }

    /// Takes the slots of a range out.
    pub fn remove_range(&mut self, segment: u32, slots: Range<u32>) {
        if slots.is_empty() {
            return;
        }
        while let Some((&(_, s), &e)) =
            self.ranges.range((segment, 0)..(segment, slots.end)).next_back()
        {
            if e <= slots.start {
                return;
            }
            self.ranges.remove(&(segment, s));
            self.insert_range(segment, slots.end..e);
            self.insert_range(segment, s..slots.start);
            if s <= slots.start {
                return;
            }
        }
    }

    /// Ranges of slots, segment by segment.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, Range<u32>)> {
        self.ranges.iter().map(|(&(segment, start), &end)| (segment, start..end))
    }

    /// Ids one by one.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> {
        self.ranges()
            .flat_map(|(segment, slots)| slots.map(move |slot| MessageId { segment, slot }))
    }

    /// How many ids. Costs an addition for each range.
    pub fn len(&self) -> u64 {
        self.ranges().map(|(_, slots)| slots.len() as u64).sum()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

/// `17:3 17:5-9`: ranges with their last slot.
impl fmt::Display for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (segment, slots)) in self.ranges().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(f, "{space}{segment}:{}", slots.start)?;
            if slots.len() > 1 {
                write!(f, "-{}", slots.end - 1)?;
            }
        }
        Ok(())
    }
}

/// One range as it is printed; `None`: it is none.
pub fn parse_range(text: &str) -> Option<(u32, Range<u32>)> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (text, None),
    };
    let id: MessageId = first.parse().ok()?;
    let last = match last {
        // As in an id, digits alone.
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => last.parse().ok()?,
        Some(_) => return None,
        None => id.slot,
    };
    (last >= id.slot && last < u32::MAX).then(|| (id.segment, id.slot..last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_are_printed_and_parsed() {
        for (text, expected) in [
            ("17:3", Some((17, 3..4))),
            ("17:3-3", Some((17, 3..4))),
            ("17:3-9", Some((17, 3..10))),
            ("17:3-2", None),
            ("17:3-", None),
            ("17:-3", None),
            ("17:3-+4", None),
            ("17:3-4-5", None),
            ("17", None),
            ("", None),
            ("1:4294967294", Some((1, 4294967294..4294967295))),
            ("1:4294967295", None), // no file has that many slots
        ] {
            assert_eq!(parse_range(text), expected, "{text}");
        }
        let mut set = IdSet::default();
        for slot in [5, 9, 6, 3, 8] {
            set.insert(MessageId { segment: 17, slot });
        }
        set.insert(MessageId { segment: 2, slot: 0 });
        assert_eq!(set.to_string(), "2:0 17:3 17:5-6 17:8-9");
        assert_eq!(set.len(), 6);
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            steps in prop::collection::vec((any::<bool>(), 1u32..4, 0u32..40, 0u32..12), 0..80),
        ) {
            let (mut set, mut model) = (IdSet::default(), BTreeSet::new());
            for (is_in, segment, start, len) in steps {
                let ids = (start..start + len).map(|slot| MessageId { segment, slot });
                match (is_in, len) {
                    (true, 1) => {
                        set.insert(MessageId { segment, slot: start });
                        model.extend(ids);
                    }
                    (true, _) => {
                        set.insert_range(segment, start..start + len);
                        model.extend(ids);
                    }
                    (false, 1) => {
                        let id = MessageId { segment, slot: start };
                        prop_assert_eq!(set.remove(id), model.remove(&id));
                    }
                    (false, _) => {
                        set.remove_range(segment, start..start + len);
                        model.retain(|id| !ids.clone().any(|other| other == *id));
                    }
                }
                prop_assert_eq!(set.iter().collect::<Vec<_>>(), Vec::from_iter(model.clone()));
                prop_assert_eq!(set.len(), model.len() as u64);
                let id = MessageId { segment, slot: start };
                prop_assert_eq!(set.contains(id), model.contains(&id));
                // Never more ranges than there have to be.
                let ends: Vec<_> = set.ranges().collect();
                prop_assert!(ends.windows(2).all(|w| w[0].0 < w[1].0 || w[0].1.end < w[1].1.start));
                let text = set.to_string();
                let mut again = IdSet::default();
                for part in text.split_whitespace() {
                    let (segment, slots) = parse_range(part).unwrap();
                    again.insert_range(segment, slots);
                }
                prop_assert_eq!(&again, &set);
            }
        }
    }
}
