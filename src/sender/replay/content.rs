//! Fills mails with stored messages: content without a copy, envelope and marks.
use super::maps::Maps;
use super::marks::Marks;
use super::rewriting::{Filled, Rewriting, Unsendable};
use super::tally::{ReplayCount, ReplayTally};
use crate::log::reader::{Folder, ReadError};
use crate::log::{MessageId, Slot};
use crate::smtp::client::{ContentForm, OutgoingMail};
use crate::wording::without_numbers;

/// Stored content, and the changes to make to it.
pub struct ReplayContent<'a> {
    maps: Maps<'a>,
    rewriting: Rewriting,
    marks: Marks,
}

/// Why a message can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
}

impl ContentError {
    fn kind(&self) -> ReplayCount {
        match self {
            ContentError::Unreadable(
                ReadError::NoSuchMessage { .. } | ReadError::Removed { .. },
            ) => ReplayCount::Gone,
            ContentError::Unreadable(_) => ReplayCount::Damaged,
            ContentError::Unsendable(_) => ReplayCount::Unsendable,
        }
    }

    /// Counts the error.
    pub(super) fn count_error(&self, id: MessageId, tally: &ReplayTally) {
        match self {
            ContentError::Unreadable(error) => {
                tally.add_listed(self.kind(), || without_numbers(&error.to_string()))
            }
            ContentError::Unsendable(why) => {
                tally.add_listed(self.kind(), || format!("{id}: {why}"))
            }
        }
    }

    /// Counts an error whose text already names the message.
    pub(super) fn count_named_error(&self, tally: &ReplayTally) {
        tally.add_listed(self.kind(), || self.to_string());
    }
}

impl<'a> ReplayContent<'a> {
    /// Provides the messages of a folder, with these changes.
    pub fn new(folder: &'a Folder, rewriting: Rewriting, marks: Marks) -> ReplayContent<'a> {
        ReplayContent { maps: Maps::new(folder), rewriting, marks }
    }

    /// Fills the empty `mail`. `only` has the positions of the remaining recipients. The checksums
    /// of the message have been checked before this returns.
    pub fn fill(
        &mut self,
        slot: &Slot,
        only: Option<&[u32]>,
        mail: &mut OutgoingMail,
    ) -> Result<Filled, ContentError> {
        let (envelope, payload) = self.maps.record(slot)?;
        let filled = self.rewriting.fill(&envelope, only, mail)?;
        self.marks.write(slot, &mut mail.head);
        mail.form = form(slot, &payload);
        mail.chunked = slot.facts().chunked;
        mail.body = payload;
        Ok(filled)
    }
}

/// Returns the form of the stored payload: a message received by DATA can be sent by DATA
/// unchanged.
fn form(slot: &Slot, payload: &[u8]) -> ContentForm {
    let is_ended = payload.is_empty() || payload.ends_with(b"\r\n");
    match slot.facts().dots {
        _ if slot.facts().chunked || !is_ended => ContentForm::Raw,
        0 => ContentForm::Clean,
        dots => ContentForm::Stuffed { dots },
    }
}
