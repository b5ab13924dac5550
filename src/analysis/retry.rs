//! Questions to folders from which segments are pruned while they are read.
use crate::log::reader::{Folder, ReadError};

/// Attempts at an answer: each found that everything was pruned before it could be read.
pub const ATTEMPTS_MAX: u32 = 10;

/// What one attempt returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// There is something in it.
    Answered,
    /// There is nothing in it, perhaps because everything was pruned.
    Empty,
}

/// What all attempts together returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// The last attempt is the answer, be it empty.
    Answered,
    /// There is no answer: segments are pruned faster than they can be read.
    Outpaced,
}

/// Repeats `ask` until it returns an answer, or nothing was pruned during it.
///
/// Errors: those of `ask`; a folder can't be listed.
pub fn retry_while_pruned<E: From<ReadError>>(
    folders: &mut [Folder],
    mut ask: impl FnMut(&[Folder]) -> Result<Attempt, E>,
) -> Result<Attempts, E> {
    for _ in 0..ATTEMPTS_MAX {
        let attempt = ask(folders)?;
        let is_whole = folders.iter().all(|folder| folder.passed_over().segments == 0);
        if attempt == Attempt::Answered || is_whole {
            return Ok(Attempts::Answered);
        }
        for folder in &mut *folders {
            folder.take_passed_over();
            folder.refresh().map_err(|source| ReadError::Io { source })?;
        }
    }
    Ok(Attempts::Outpaced)
}
