//! Merges several lists into one, by time.
use crate::time::UnixNs;
use std::iter::Peekable;

/// The order of a list by time of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOrder {
    /// From the oldest to the newest.
    OldestFirst,
    /// From the newest to the oldest.
    NewestFirst,
}

/// Merges lists by the time of their first items; each list keeps its own order.
pub struct Merged<I: Iterator, F> {
    parts: Vec<Peekable<I>>,
    order: TimeOrder,
    /// Returns the time of an item; `None` for an item that comes immediately.
    time: F,
}

impl<I: Iterator, F: Fn(&I::Item) -> Option<UnixNs>> Merged<I, F> {
    /// Merges `parts`, whose items each have the time that `time` returns.
    pub fn new(parts: Vec<I>, order: TimeOrder, time: F) -> Merged<I, F> {
        Merged { parts: parts.into_iter().map(Iterator::peekable).collect(), order, time }
    }
}

impl<I: Iterator, F: Fn(&I::Item) -> Option<UnixNs>> Iterator for Merged<I, F> {
    /// The position of the list among all lists, and the item.
    type Item = (usize, I::Item);

    fn next(&mut self) -> Option<(usize, I::Item)> {
        let (order, time) = (self.order, &self.time);
        let heads = self.parts.iter_mut().enumerate();
        let heads = heads.filter_map(|(n, part)| Some((n, time(part.peek()?))));
        let rank = |time: Option<UnixNs>| match (order, time) {
            (_, None) => 0,
            (TimeOrder::OldestFirst, Some(at)) => at.ns_since(UnixNs::EPOCH),
            (TimeOrder::NewestFirst, Some(at)) => UnixNs::LAST.ns_since(at),
        };
        let (n, _) = heads.min_by_key(|(n, time)| (rank(*time), *n))?;
        Some((n, self.parts[n].next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_merged_by_time_and_each_keeps_its_order() {
        let merge = |parts: &[&[u64]], order| -> Vec<(usize, u64)> {
            let parts = parts.iter().map(|part| part.iter().copied()).collect();
            Merged::new(parts, order, |ns: &u64| (*ns != 0).then_some(UnixNs::new(*ns))).collect()
        };
        let oldest = TimeOrder::OldestFirst;
        assert_eq!(merge(&[&[1, 4], &[2, 3]], oldest), [(0, 1), (1, 2), (1, 3), (0, 4)]);
        assert_eq!(
            merge(&[&[4, 1], &[3, 2]], TimeOrder::NewestFirst),
            [(0, 4), (1, 3), (1, 2), (0, 1)]
        );
        // A clock that was set back, and an item without a time.
        assert_eq!(merge(&[&[5, 1], &[2]], oldest), [(1, 2), (0, 5), (0, 1)]);
        assert_eq!(merge(&[&[5], &[0, 7]], oldest), [(1, 0), (0, 5), (1, 7)]);
        assert_eq!(merge(&[], oldest), []);
    }
}
