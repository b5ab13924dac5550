//! The newest message of a folder.
use crate::analysis::folder::{Attempt, Attempts, retry_while_pruned};
use crate::log::reader::{Folder, Latest, ReadError};

/// Returns the newest message whose record can be read, and why newer ones can't; `None` if
/// everything was pruned before it could be read.
///
/// Errors: the folder can't be read.
pub fn newest(folder: &mut Folder) -> Result<Option<Latest>, ReadError> {
    let mut latest = None;
    let attempts = retry_while_pruned(std::slice::from_mut(folder), |folders| {
        let found = folders[0].latest()?;
        let is_answer = found.newest.is_some() || !found.damage.is_empty();
        latest = Some(found);
        Ok::<_, ReadError>(if is_answer { Attempt::Answered } else { Attempt::Empty })
    })?;
    Ok(latest.filter(|_| attempts == Attempts::Answered))
}
