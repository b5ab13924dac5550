//! Reads messages of a folder as rows, one at a time.
use std::collections::HashSet;

use super::contents::ContentSource;
use super::envelope_row::{EnvelopeRow, FinalReply};
use super::row::MessageRow;
use crate::log::reader::{Folder, ReadError};
use crate::log::{MessageId, Slot};

/// A reader of one folder. Its buffers are reused for each row.
pub struct RowReader<'a> {
    folder: &'a Folder,
    contents: &'a mut ContentSource,
    /// The name of the folder in rows; `None` if there is only one folder.
    name: Option<String>,
    noted: HashSet<MessageId>,
    damage: Vec<ReadError>,
    envelope: Vec<u8>,
}

impl<'a> RowReader<'a> {
    /// `name` is the name of the folder in rows, if there are several folders.
    ///
    /// Errors: a segment with notes can't be read.
    pub fn new(
        folder: &'a Folder,
        contents: &'a mut ContentSource,
        name: Option<String>,
    ) -> Result<RowReader<'a>, ReadError> {
        let notes = folder.notes()?;
        Ok(RowReader {
            folder,
            contents,
            name,
            noted: notes.of,
            damage: notes.damage,
            envelope: Vec::new(),
        })
    }

    /// Returns, once, the notes that can't be read; rows may then not show that a reply was not
    /// sent.
    pub fn take_damage(&mut self) -> Vec<ReadError> {
        std::mem::take(&mut self.damage)
    }

    /// Reads the message of `slot`. `None` if it was pruned meanwhile; the folder counts those.
    ///
    /// Errors: the message is damaged or can't be read.
    pub fn read(&mut self, slot: &Slot) -> Result<Option<MessageRow>, ReadError> {
        match self.row(slot) {
            Ok(row) => Ok(Some(row)),
            Err(ReadError::Pruned { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the current state of message `id`; `None` if it was pruned meanwhile.
    ///
    /// Errors: the message was removed, is damaged or can't be read.
    pub fn read_id(&mut self, id: MessageId) -> Result<Option<MessageRow>, ReadError> {
        match self.folder.find(id) {
            Ok((_, slot)) => self.read(&slot),
            // The message existed a moment ago, so the folder has counted its segment as pruned.
            Err(ReadError::NoSuchMessage { .. } | ReadError::Pruned { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn row(&mut self, slot: &Slot) -> Result<MessageRow, ReadError> {
        let segment = self.folder.segment(slot.id().segment)?;
        let envelope = segment.envelope(slot, &mut self.envelope)?;
        let envelope = EnvelopeRow::new(slot, envelope, FinalReply::of(slot, &self.noted));
        let contents = self.contents.read(&segment, slot)?;
        Ok(MessageRow { folder: self.name.clone(), envelope, contents })
    }
}
