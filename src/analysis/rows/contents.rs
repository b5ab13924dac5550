//! The content of a message that rows show, and where it is read from.
use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::index::{self, IndexFault, IndexedContent, Lookup, MessageReader, UnusableIndex};
use crate::log::Slot;
use crate::log::reader::{Folder, ReadError, Segment};

/// The content of a message; null where it is unknown. Keys keep their meaning.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Contents {
    /// The first Subject field, decoded.
    pub subject: Option<String>,
    /// The first Message-ID field, without angle brackets.
    pub message_id: Option<String>,
    /// The names of the parts that have one, attached or inline; empty if none has.
    pub file_names: Option<Vec<String>>,
    /// A hash that is equal for copies of the same content: 32 hexadecimal digits.
    pub content_hash: Option<String>,
    /// The number in the header field that the index keeps (`--sequence-field`); null if there is
    /// none.
    pub sequence: Option<u64>,
}

impl From<IndexedContent> for Contents {
    fn from(content: IndexedContent) -> Contents {
        Contents {
            subject: Some(content.subject),
            message_id: Some(content.message_id),
            file_names: Some(content.file_names),
            content_hash: Some(format!("{:032x}", content.content_hash)),
            sequence: content.sequence,
        }
    }
}

/// The index of a folder, and which parts of it can't be used.
pub struct IndexContents {
    lookup: Lookup,
    /// The first fault of each segment.
    faults: BTreeMap<u32, IndexFault>,
}

/// Where to read the content of messages.
pub enum ContentSource {
    /// In the index. Messages are not read, so those that are not indexed have no content.
    Index(IndexContents),
    /// In the message itself, which takes a few microseconds.
    Message(Box<MessageReader>),
}

impl ContentSource {
    /// Returns a source that reads the index of `folder`. Opens no file yet; messages that are not
    /// indexed have no content.
    pub fn index(folder: &Folder) -> ContentSource {
        let lookup = Lookup::new(folder.path());
        ContentSource::Index(IndexContents { lookup, faults: BTreeMap::new() })
    }

    /// Returns a source that reads the messages of `folder`.
    ///
    /// Errors: the settings of the index can't be read.
    pub fn message(folder: &Folder) -> io::Result<ContentSource> {
        let reading = MessageReader::new(index::sequence_field(folder.path())?.as_deref());
        Ok(ContentSource::Message(Box::new(reading)))
    }

    /// Returns the segments whose index could not be used for a message that was read; ascending.
    pub fn into_unusable(self) -> Vec<UnusableIndex> {
        let ContentSource::Index(index) = self else { return Vec::new() };
        let faults = index.faults.into_iter();
        faults.map(|(segment, fault)| UnusableIndex { segment, fault }).collect()
    }

    pub(super) fn read(&mut self, segment: &Segment, slot: &Slot) -> Result<Contents, ReadError> {
        Ok(match self {
            ContentSource::Index(index) => index.read(segment, slot),
            ContentSource::Message(reading) => {
                IndexedContent::from(&reading.read(segment, slot)?.entry).into()
            }
        })
    }
}

impl IndexContents {
    /// Returns the content of a message. It is unknown if the message is not indexed, or if its
    /// index can't be used, which is noted.
    fn read(&mut self, segment: &Segment, slot: &Slot) -> Contents {
        match self.lookup.content(segment.identity(), slot.id().slot) {
            Ok(found) => found.cloned().map_or_else(Contents::default, Contents::from),
            Err(fault) => {
                self.faults.entry(segment.number()).or_insert(fault);
                Contents::default()
            }
        }
    }
}
