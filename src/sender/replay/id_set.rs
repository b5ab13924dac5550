//! A set of message ids that stores neighbors compactly.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::log::MessageId;

/// Ids as ranges of slots. A range takes slightly more than 16 octets, whatever its length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet {
    /// Maps segment and first slot to one past the last slot. Ranges neither overlap nor touch.
    ranges: BTreeMap<(u32, u32), u32>,
}

impl IdSet {
    /// Returns whether the set contains the id. Costs a lookup.
    pub fn contains(&self, id: MessageId) -> bool {
        self.at(id).is_some()
    }

    /// Returns the range that contains the id.
    fn at(&self, id: MessageId) -> Option<Range<u32>> {
        let (&(segment, start), &end) = self.ranges.range(..=(id.segment, id.slot)).next_back()?;
        (segment == id.segment && id.slot < end).then_some(start..end)
    }

    /// Inserts an id. A slot of `u32::MAX` is ignored: no segment has it.
    pub fn insert(&mut self, id: MessageId) {
        if id.slot < u32::MAX {
            self.insert_range(id.segment, id.slot..id.slot + 1);
        }
    }

    /// Inserts a range of slots.
    pub fn insert_range(&mut self, segment: u32, slots: Range<u32>) {
        if slots.is_empty() {
            return;
        }
        let (mut start, mut end) = (slots.start, slots.end);
        // Absorbs the ranges that it touches, starting with the last.
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

    /// Removes an id, and returns whether the set contained it.
    pub fn remove(&mut self, id: MessageId) -> bool {
        let Some(range) = self.at(id) else { return false };
        self.ranges.remove(&(id.segment, range.start));
        self.insert_range(id.segment, range.start..id.slot);
        self.insert_range(id.segment, id.slot + 1..range.end);
        true
    }

    /// Removes a range of slots.
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

    /// Returns the ranges of slots, segment by segment.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, Range<u32>)> {
        self.ranges.iter().map(|(&(segment, start), &end)| (segment, start..end))
    }

    /// Returns the ids one by one.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> {
        self.ranges()
            .flat_map(|(segment, slots)| slots.map(move |slot| MessageId { segment, slot }))
    }

    /// Returns the number of ids. Costs an addition per range.
    pub fn len(&self) -> u64 {
        self.ranges().map(|(_, slots)| slots.len() as u64).sum()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Removes all ids.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

/// Formats ranges as `17:3 17:5-9`, with their last slot.
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

/// Parses one range as printed; `None` if the text is not one.
pub fn parse_range(text: &str) -> Option<(u32, Range<u32>)> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (text, None),
    };
    let id: MessageId = first.parse().ok()?;
    let last = match last {
        // As in an id, only digits are allowed.
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
            ("1:4294967295", None), // no segment has that many slots
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
                // There are never more ranges than necessary.
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
