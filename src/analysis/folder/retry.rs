//! Repeats questions to folders whose segments are pruned during reading.
use crate::log::reader::{Folder, ReadError};

/// Maximum number of attempts. An attempt fails if everything was pruned before it could be read.
pub const ATTEMPTS_MAX: u32 = 10;

/// Whether an attempt has found anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The answer has content.
    Answered,
    /// The answer is empty, perhaps because everything was pruned.
    Empty,
}

/// Whether there is an answer after all attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// The last attempt has the answer, which may be empty.
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
        let is_whole = folders.iter().all(|folder| folder.pruned_unread().segments == 0);
        if attempt == Attempt::Answered || is_whole {
            return Ok(Attempts::Answered);
        }
        for folder in &mut *folders {
            folder.take_pruned_unread();
            folder.refresh().map_err(|source| ReadError::Io { source })?;
        }
    }
    Ok(Attempts::Outpaced)
}
