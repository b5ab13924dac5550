//! Sums over windows of time that end with each second that has an entry.
use std::collections::VecDeque;

use super::spread::ValueCounts;

/// Sums over windows of several lengths. Costs 16 bytes for each second with an entry in the
/// longest window.
#[derive(Debug, Clone)]
pub(super) struct SlidingWindows {
    /// Seconds and their counts; the last one is incomplete.
    recent: VecDeque<(u64, u64)>,
    /// The number of seconds removed from `recent`.
    dropped: usize,
    windows: Vec<WindowSum>,
}

#[derive(Debug, Clone, Default)]
struct WindowSum {
    /// The first second within the window, counting removed ones.
    first: usize,
    sum: u64,
    ended: ValueCounts,
}

impl SlidingWindows {
    pub fn new(windows: usize) -> SlidingWindows {
        let windows = vec![WindowSum::default(); windows];
        SlidingWindows { recent: VecDeque::new(), dropped: 0, windows }
    }

    /// Adds `n` to `second`, which must not be before the last one. `lengths_s` has the length of
    /// each window.
    pub fn add(&mut self, lengths_s: &[u64], second: u64, n: u64) {
        match self.recent.back_mut() {
            Some((last, so_far)) if *last >= second => *so_far += n,
            _ => {
                self.end_second();
                self.recent.push_back((second, n));
                self.slide(lengths_s, second);
            }
        }
        for window in &mut self.windows {
            window.sum += n;
        }
    }

    /// Removes the seconds that are before the windows ending with `second`.
    fn slide(&mut self, lengths_s: &[u64], second: u64) {
        for (window, length_s) in self.windows.iter_mut().zip(lengths_s) {
            while let Some((begin, n)) = self.recent.get(window.first - self.dropped)
                && begin + length_s <= second
            {
                window.sum -= n;
                window.first += 1;
            }
        }
        let needed = self.windows.iter().map(|window| window.first).min();
        while needed.is_some_and(|needed| self.dropped < needed) {
            self.recent.pop_front();
            self.dropped += 1;
        }
    }

    fn end_second(&mut self) {
        if !self.recent.is_empty() {
            for window in &mut self.windows {
                window.ended.add(window.sum, 1);
            }
        }
    }

    /// Returns, for each length, the sums over the windows that end with a second that had an
    /// entry.
    pub fn end(mut self) -> Vec<ValueCounts> {
        self.end_second();
        self.windows.into_iter().map(|window| window.ended).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_hold_what_a_look_at_every_second_finds(
            steps in proptest::collection::vec((0_u64..5, 1_u64..10), 0..60),
            lengths_s in proptest::collection::vec(1_u64..12, 1..4),
        ) {
            let mut windows = SlidingWindows::new(lengths_s.len());
            let (mut second, mut all) = (1000, std::collections::BTreeMap::new());
            for (step, n) in steps {
                second += step;
                windows.add(&lengths_s, second, n);
                *all.entry(second).or_insert(0) += n;
            }
            for (ended, length_s) in windows.end().into_iter().zip(lengths_s) {
                let mut expected = ValueCounts::default();
                for end in all.keys() {
                    let inside = all.range(end + 1 - length_s..=*end);
                    expected.add(inside.map(|(_, n)| n).sum(), 1);
                }
                prop_assert_eq!(ended.spread(), expected.spread());
            }
        }
    }
}
