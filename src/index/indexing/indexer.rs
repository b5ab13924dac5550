//! Extends the index of one segment.
use std::io;

use crate::log::Slot;
use crate::log::reader::{Damage, Segment};

use super::reading::MessageReader;
use crate::index::sidecar::{Appender, BlockBuilder, IndexEntry};

/// Number of messages indexed between two calls of `should_continue`: less than a millisecond of
/// work.
const MESSAGES_AT_ONCE: u32 = 32;

/// The buffers of a thread that writes indexes.
pub struct Indexer {
    reading: MessageReader,
    block: BlockBuilder,
}

impl Indexer {
    pub fn new(sequence_field: Option<&str>) -> Indexer {
        Indexer { reading: MessageReader::new(sequence_field), block: BlockBuilder::default() }
    }

    /// Indexes the messages that `segment` has published and `appender` does not cover. Before each
    /// batch it calls `should_continue` with the number of messages done, and stops when that
    /// returns false. A block that was begun is always completed.
    ///
    /// Errors: a block can't be written.
    pub fn index(
        &mut self,
        segment: &Segment,
        appender: &mut Appender,
        should_continue: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<()> {
        self.block.begin(appender.end_slot());
        for slot in segment.slots(appender.end_slot()..u32::MAX) {
            let done = self.block.end_slot();
            let messages = || appender.records() + u64::from(self.block.records());
            if done.is_multiple_of(MESSAGES_AT_ONCE) && !should_continue(messages()) {
                break;
            }
            self.take(segment, slot);
            if self.block.is_full() {
                self.write(appender)?;
            }
        }
        self.write(appender)
    }

    fn take(&mut self, segment: &Segment, slot: Result<Slot, Damage>) {
        let index = self.block.end_slot();
        let unreadable = IndexEntry { slot: index, is_unreadable: true, ..IndexEntry::default() };
        match slot {
            Ok(slot) if !slot.is_message() => self.block.pass_over(),
            Ok(slot) => match self.reading.read(segment, &slot) {
                Ok(read) => self.block.push(&read.entry),
                Err(_) => self.block.push(&unreadable),
            },
            Err(_) => self.block.push(&unreadable),
        }
    }

    fn write(&mut self, appender: &mut Appender) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let (end_slot, records) = (self.block.end_slot(), self.block.records());
        appender.append(self.block.finish(appender.seed()), end_slot, records)?;
        self.block.begin(end_slot);
        Ok(())
    }
}
