//! What is written in a message, and where that is known from.
use std::io;

use serde::Serialize;

use crate::index::reading::MessageReader;
use crate::index::{self, IndexedContent, Lookup};
use crate::log::Slot;
use crate::log::reader::{Folder, ReadError, Segment};

/// What is written in a message; null where that is not known. Keys keep their meaning.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Contents {
    /// The first Subject field, decoded.
    pub subject: Option<String>,
    /// The first Message-ID field, without angle brackets.
    pub message_id: Option<String>,
    /// Names of attached files.
    pub file_names: Option<Vec<String>>,
    /// Equal for copies of the same content: 32 hexadecimal digits.
    pub content_hash: Option<String>,
    /// The number in the header field that the index knows of; null without any.
    pub sequence: Option<u64>,
}

impl From<IndexedContent> for Contents {
    fn from(said: IndexedContent) -> Contents {
        Contents {
            subject: Some(said.subject),
            message_id: Some(said.message_id),
            file_names: Some(said.file_names),
            content_hash: Some(format!("{:032x}", said.content_hash)),
            sequence: said.sequence,
        }
    }
}

/// Where the contents of messages are read.
pub enum ContentSource {
    /// In the index, where the message is indexed: the message itself is not read.
    Index(Lookup),
    /// In the message: costs a few microseconds for each.
    Message(Box<MessageReader>),
}

impl ContentSource {
    /// The index of `folder`.
    pub fn index(folder: &Folder) -> ContentSource {
        ContentSource::Index(Lookup::new(folder.path()))
    }

    /// The messages of `folder`.
    ///
    /// Errors: the settings of the index can't be read.
    pub fn message(folder: &Folder) -> io::Result<ContentSource> {
        let reading = MessageReader::new(index::sequence_field(folder.path())?.as_deref());
        Ok(ContentSource::Message(Box::new(reading)))
    }

    pub(super) fn read(&mut self, segment: &Segment, slot: &Slot) -> Result<Contents, ReadError> {
        Ok(match self {
            ContentSource::Index(lookup) => {
                let said = lookup.content(segment.identity(), slot.id().slot);
                said.cloned().map_or_else(Contents::default, Contents::from)
            }
            ContentSource::Message(reading) => {
                IndexedContent::from(&reading.read(segment, slot)?.entry).into()
            }
        })
    }
}
