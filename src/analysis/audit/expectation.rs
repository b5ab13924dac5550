//! What an audit expects: the rows of a list, or numbers without gaps.
use std::io;

use super::list::Expected;
use crate::analysis::sorting::{Merge, SortRecord};

/// Which recipients an audit expects a message for.
pub enum Expectation {
    /// Nothing is expected, so no recipient is missing or unexpected.
    Nothing,
    /// The recipients of a list, sorted by key.
    List(Merge),
    /// Every number of a range, each once.
    Numbers(NumberRange),
}

/// A range of expected numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberRange {
    /// `None` starts at the lowest delivered number.
    pub first: Option<u64>,
    /// `None` ends at the highest delivered number.
    pub last: Option<u64>,
}

/// The rows of the list about one recipient.
#[derive(Debug, Default)]
pub struct Rows {
    /// The line of the first row; `None` without rows.
    pub line: Option<u64>,
    /// The encoded values of the first row.
    pub values: Vec<u8>,
    /// The number of rows beyond the first.
    pub repeated: u64,
}

impl Expectation {
    /// Returns the next row of the list; `None` at its end, or without a list.
    pub fn head(&self) -> Option<SortRecord<'_>> {
        match self {
            Expectation::List(rows) => rows.head(),
            Expectation::Nothing | Expectation::Numbers(_) => None,
        }
    }

    /// Takes the rows about a key, if they are next. Records are ordered by line, so the values of
    /// the first row are kept.
    ///
    /// Errors: a temporary file can't be read.
    pub fn take_rows(&mut self, order: u64, key: &[u8]) -> io::Result<Rows> {
        let mut rows = Rows::default();
        let Expectation::List(list) = self else { return Ok(rows) };
        while let Some(record) = list.head().filter(|it| (it.order, it.key) == (order, key)) {
            let row = Expected::decode(record.value);
            if rows.line.is_none() {
                rows.line = Some(row.line);
                rows.values.extend_from_slice(row.encoded_values());
            } else {
                rows.repeated += 1;
            }
            list.advance()?;
        }
        Ok(rows)
    }
}

/// Compares delivered numbers with the expected ones.
#[derive(Debug, Clone, Copy)]
pub struct NumberWalk {
    range: NumberRange,
    /// The number after the last expected one that was passed, at first the beginning of the range;
    /// `None` if there is no such number.
    next: Option<u64>,
}

/// Missing numbers, both ends included.
pub type Gap = std::ops::RangeInclusive<u64>;

impl NumberWalk {
    /// Starts before the first number.
    pub fn new(range: NumberRange) -> NumberWalk {
        NumberWalk { range, next: range.first }
    }

    /// Returns whether `number` is expected, and the gap before it. Numbers must be passed in
    /// ascending order, each once.
    pub fn take(&mut self, number: u64) -> (bool, Option<Gap>) {
        let NumberRange { first, last } = self.range;
        let is_expected =
            first.is_none_or(|first| first <= number) && last.is_none_or(|last| number <= last);
        if !is_expected {
            return (false, None);
        }
        let gap = self.next.filter(|next| *next < number).map(|next| next..=number - 1);
        self.next = number.checked_add(1);
        (true, gap)
    }

    /// Returns the gap after the last delivered number.
    pub fn gap_at_end(&self) -> Option<Gap> {
        let (next, last) = (self.next?, self.range.last?);
        (next <= last).then_some(next..=last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(first: Option<u64>, last: Option<u64>, numbers: &[u64]) -> (Vec<Gap>, Vec<u64>) {
        let mut walk = NumberWalk::new(NumberRange { first, last });
        let (mut gaps, mut unexpected) = (Vec::new(), Vec::new());
        for number in numbers {
            let (is_expected, gap) = walk.take(*number);
            gaps.extend(gap);
            if !is_expected {
                unexpected.push(*number);
            }
        }
        gaps.extend(walk.gap_at_end());
        (gaps, unexpected)
    }

    #[test]
    fn gaps_lie_between_the_numbers_and_at_the_ends_that_are_known() {
        for (first, last, numbers, gaps, unexpected) in [
            (None, None, &[][..], &[][..], &[][..]),
            (None, None, &[3, 4, 7, 8, 10], &[5..=6, 9..=9], &[]),
            (Some(0), Some(9), &[], &[0..=9], &[]),
            (Some(0), Some(9), &[0, 9], &[1..=8], &[]),
            (Some(2), Some(5), &[1, 3, 5, 6], &[2..=2, 4..=4], &[1, 6]),
            (Some(2), Some(5), &[9], &[2..=5], &[9]),
            (None, Some(5), &[3, 9], &[4..=5], &[9]),
            (Some(1), None, &[3], &[1..=2], &[]),
            (None, None, &[0, u64::MAX], &[1..=u64::MAX - 1], &[]),
        ] {
            let found = walk(first, last, numbers);
            assert_eq!(
                found,
                (gaps.to_vec(), unexpected.to_vec()),
                "{first:?} {last:?} {numbers:?}"
            );
        }
    }
}
