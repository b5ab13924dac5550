//! Fills mails with what is stored: content in place, envelope and marks.
use super::maps::Maps;
use super::marks::Marks;
use super::rewriting::{Filled, Rewriting, Unsendable};
use super::tally::{Kind, Tally};
use crate::log::reader::{Folder, ReadError};
use crate::log::{MessageId, Slot};
use crate::smtp::client::{Form, Mail};

/// Where content comes from, and what is changed of it.
pub struct Content<'a> {
    maps: Maps<'a>,
    rewriting: Rewriting,
    marks: Marks,
}

/// Why a message can't be given.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    #[allow(missing_docs)]
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
}

impl Missing {
    fn kind(&self) -> Kind {
        match self {
            Missing::Unreadable(ReadError::NoSuchMessage { .. } | ReadError::Removed { .. }) => {
                Kind::Gone
            }
            Missing::Unreadable(_) => Kind::Damaged,
            Missing::Unsendable(_) => Kind::Unsendable,
        }
    }

    /// Counts it.
    pub(super) fn tell(&self, id: MessageId, tally: &Tally) {
        match self {
            Missing::Unreadable(error) => tally.tell(self.kind(), || error.to_string()),
            Missing::Unsendable(why) => tally.tell(self.kind(), || format!("{id}: {why}")),
        }
    }

    /// Counts it, where the error itself says which message it is.
    pub(super) fn tell_error(&self, tally: &Tally) {
        tally.tell(self.kind(), || self.to_string());
    }
}

impl<'a> Content<'a> {
    /// Returns the content of a folder's messages.
    pub fn new(folder: &'a Folder, rewriting: Rewriting, marks: Marks) -> Content<'a> {
        Content { maps: Maps::new(folder), rewriting, marks }
    }

    /// Fills `mail`, which is clear. `only`: positions of recipients that remain. The checksum of
    /// all that is given has been checked.
    pub fn fill(
        &mut self,
        slot: &Slot,
        only: Option<&[u32]>,
        mail: &mut Mail,
    ) -> Result<Filled, Missing> {
        let (envelope, payload) = self.maps.record(slot)?;
        let filled = self.rewriting.fill(&envelope, only, mail)?;
        self.marks.write(slot, &mut mail.head);
        mail.form = form(slot, &payload);
        mail.chunked = slot.facts().chunked;
        mail.body = payload;
        Ok(filled)
    }
}

/// Returns the form of the stored payload: mail that DATA brought is ready for DATA.
fn form(slot: &Slot, payload: &[u8]) -> Form {
    let is_ended = payload.is_empty() || payload.ends_with(b"\r\n");
    match slot.facts().dots {
        _ if slot.facts().chunked || !is_ended => Form::Raw,
        0 => Form::Clean,
        dots => Form::Stuffed { dots },
    }
}
