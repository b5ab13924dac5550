//! The bad rows of a list that a user wrote.
use std::fmt;

/// Maximum number of bad rows that an error names.
const NAMED_MAX: usize = 10;

/// How a bad row can be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowRemedy {
    /// The row can be removed.
    Remove,
    /// The row can be made a comment by putting `#` before it.
    Comment,
}

/// The bad rows of a list: the first ten with line and reason, and the number of all. Reading a
/// list continues to its end, so that one error names them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRows<E> {
    /// The name of the list's file.
    file: String,
    remedy: RowRemedy,
    /// Line (from 1) and reason.
    first: Vec<(u64, E)>,
    count: u64,
}

impl<E> BadRows<E> {
    /// Starts without bad rows.
    pub fn new(file: impl Into<String>, remedy: RowRemedy) -> BadRows<E> {
        BadRows { file: file.into(), remedy, first: Vec::new(), count: 0 }
    }

    /// Adds the row at a line, from 1.
    pub fn add(&mut self, line: u64, reason: E) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push((line, reason));
        }
    }

    /// Returns the line (from 1) and the reason of each of the first bad rows, at most ten.
    pub fn first(&self) -> &[(u64, E)] {
        &self.first
    }

    /// Returns the number of bad rows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns `value` if no row is bad.
    pub fn none_or<T>(self, value: T) -> Result<T, BadRows<E>> {
        if self.count == 0 { Ok(value) } else { Err(self) }
    }
}

/// Why a list can't be used.
pub trait ListError: std::error::Error {
    /// Returns whether the message names bad rows, each in a line of its own after the first line.
    fn names_rows(&self) -> bool;
}

impl<E: fmt::Debug + fmt::Display> ListError for BadRows<E> {
    fn names_rows(&self) -> bool {
        true
    }
}

impl<E: fmt::Display> fmt::Display for BadRows<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match (self.count, self.remedy) {
            (1, RowRemedy::Remove) => f.write_str("1 bad row; correct or remove it")?,
            (n, RowRemedy::Remove) => write!(f, "{n} bad rows; correct or remove them")?,
            (1, RowRemedy::Comment) => {
                f.write_str("1 bad row; correct it, or comment it out with #")?
            }
            (n, RowRemedy::Comment) => {
                write!(f, "{n} bad rows; correct them, or put # before them")?;
            }
        }
        for (line, reason) in &self.first {
            write!(f, "\n{}:{line}: {reason}", self.file)?;
        }
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for BadRows<E> {}
