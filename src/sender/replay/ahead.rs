//! Sorts items that arrive almost in order, with a bounded look-ahead.
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A queue of waiting items, sorted by key; items with equal keys keep their order of arrival.
///
/// If the caller keeps the queue full before each `pop`, the items come out sorted, provided that
/// each item is late by fewer places than the queue holds.
#[derive(Debug)]
pub struct ReadAhead<K, T> {
    heap: BinaryHeap<AheadEntry<K, T>>,
    room: usize,
    pushed: u64,
}

#[derive(Debug)]
struct AheadEntry<K, T> {
    key: K,
    number: u64,
    item: T,
}

impl<K: Ord, T> ReadAhead<K, T> {
    /// Creates an empty queue for `room` items, at least 1.
    pub fn new(room: usize) -> ReadAhead<K, T> {
        ReadAhead { heap: BinaryHeap::new(), room: room.max(1), pushed: 0 }
    }

    /// Returns whether the queue holds its maximum number of items.
    pub fn is_full(&self) -> bool {
        self.heap.len() >= self.room
    }

    /// Adds an item. Costs a few comparisons.
    pub fn push(&mut self, key: K, item: T) {
        self.heap.push(AheadEntry { key, number: self.pushed, item });
        self.pushed += 1;
    }

    /// Returns the key of the first item.
    pub fn peek(&self) -> Option<&K> {
        self.heap.peek().map(|entry| &entry.key)
    }

    /// Removes and returns the first item.
    pub fn pop(&mut self) -> Option<(K, T)> {
        self.heap.pop().map(|entry| (entry.key, entry.item))
    }
}

impl<K: Ord, T> AheadEntry<K, T> {
    fn order(&self, other: &AheadEntry<K, T>) -> Ordering {
        self.key.cmp(&other.key).then(self.number.cmp(&other.number))
    }
}

/// Reversed, because the heap returns the greatest entry first.
impl<K: Ord, T> Ord for AheadEntry<K, T> {
    fn cmp(&self, other: &AheadEntry<K, T>) -> Ordering {
        other.order(self)
    }
}

impl<K: Ord, T> PartialOrd for AheadEntry<K, T> {
    fn partial_cmp(&self, other: &AheadEntry<K, T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> PartialEq for AheadEntry<K, T> {
    fn eq(&self, other: &AheadEntry<K, T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord, T> Eq for AheadEntry<K, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns what comes out if the queue is kept full.
    fn through(room: usize, keys: &[u32]) -> Vec<(u32, usize)> {
        let (mut ahead, mut out) = (ReadAhead::new(room), Vec::new());
        let mut keys = keys.iter().enumerate();
        loop {
            while !ahead.is_full()
                && let Some((number, key)) = keys.next()
            {
                ahead.push(*key, number);
            }
            match ahead.pop() {
                Some(item) => out.push(item),
                None => return out,
            }
        }
    }

    fn sorted(keys: &[u32]) -> Vec<(u32, usize)> {
        let mut all: Vec<(u32, usize)> = keys.iter().copied().zip(0..).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_is_too_late_comes_as_soon_as_it_can() {
        for (room, keys, expected) in [
            (1, &[3, 1, 2][..], &[3, 1, 2][..]),
            (2, &[3, 1, 2], &[1, 2, 3]),
            (2, &[3, 2, 1], &[2, 1, 3]),
            (3, &[3, 2, 1], &[1, 2, 3]),
            (0, &[2, 1], &[2, 1]), // as 1
            (5, &[], &[]),
        ] {
            let got: Vec<u32> = through(room, keys).into_iter().map(|(key, _)| key).collect();
            assert_eq!(got, expected, "{room} {keys:?}");
        }
    }

    proptest! {
        #[test]
        fn with_room_enough_it_sorts(keys in prop::collection::vec(0u32..50, 0..200)) {
            prop_assert_eq!(through(keys.len(), &keys), sorted(&keys));
        }

        #[test]
        fn it_sorts_what_comes_less_than_room_places_late(
            mut keys in prop::collection::vec(0u32..1000, 0..200),
            room in 1usize..20,
        ) {
            keys.sort_unstable();
            // Reversed within each piece, so no item is late by `room` places.
            keys.chunks_mut(room).for_each(<[u32]>::reverse);
            let got: Vec<u32> = through(room, &keys).into_iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            prop_assert_eq!(got, keys);
        }
    }
}
