//! Lists the messages of several folders in order of arrival.
use super::contents::ContentSource;
use super::merged::{Merged, TimeOrder};
use super::reader::RowReader;
use super::row::MessageRow;
use crate::log::Slot;
use crate::log::reader::{Folder, Page, ReadError};
use crate::time::{Span, UnixNs};

/// The messages to list, and their order.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery<'a> {
    /// The span of time to list, for each folder.
    pub spans: &'a [Span],
    /// Whether the oldest or the newest message comes first.
    pub order: TimeOrder,
    /// The number of messages to skip first.
    pub offset: u64,
    /// The maximum number of messages; `None` for all.
    pub limit: Option<u64>,
}

/// An iterator over rows. It holds one row, and a page of slots per folder.
pub struct RowList<'a> {
    slots: Box<dyn Iterator<Item = (usize, Result<Slot, ReadError>)> + 'a>,
    readers: Vec<RowReader<'a>>,
    limit: Option<u64>,
    returned: u64,
    messages: u64,
    is_cut: bool,
}

/// Returns the time by which a slot is sorted; `None` for a slot that can't be read, which comes
/// immediately.
fn received_at_ns(slot: &Result<Slot, ReadError>) -> Option<UnixNs> {
    Some(slot.as_ref().ok()?.facts().received_at_ns)
}

impl<'a> RowList<'a> {
    /// `sources` says where the content is read in each folder; `names` has the folder names for
    /// the rows.
    ///
    /// Takes little time per segment, and a binary search if a span cuts through a segment. Errors:
    /// a folder can't be read.
    pub fn open(
        folders: &'a [Folder],
        sources: &'a mut [ContentSource],
        names: &[Option<String>],
        query: ListQuery<'_>,
    ) -> Result<RowList<'a>, ReadError> {
        // Skipping costs nothing in a single folder; the rows of several folders are skipped one by
        // one.
        let is_one = folders.len() == 1;
        let (inside, outside) = if is_one { (query.offset, 0) } else { (0, query.offset) };
        let (mut pages, mut readers, mut messages) = (Vec::<Page<'a>>::new(), Vec::new(), 0);
        for (folder, span) in folders.iter().zip(query.spans) {
            let listing = folder.listing(*span)?;
            messages += listing.len();
            pages.push(match query.order {
                TimeOrder::OldestFirst => listing.forward(inside)?,
                TimeOrder::NewestFirst => listing.backward(inside)?,
            });
        }
        for ((folder, source), name) in folders.iter().zip(sources).zip(names) {
            readers.push(RowReader::new(folder, source, name.clone())?);
        }
        let outside = usize::try_from(outside).unwrap_or(usize::MAX);
        let merged = Merged::new(pages, query.order, received_at_ns).skip(outside);
        Ok(RowList {
            slots: Box::new(merged),
            readers,
            limit: query.limit,
            returned: 0,
            messages,
            is_cut: false,
        })
    }

    /// Returns, once, the notes that can't be read, each with the number of its folder.
    pub fn take_damage(&mut self) -> Vec<(usize, ReadError)> {
        let readers = self.readers.iter_mut().enumerate();
        readers
            .flat_map(|(n, reader)| reader.take_damage().into_iter().map(move |e| (n, e)))
            .collect()
    }

    /// Returns the number of rows returned so far, unreadable ones included.
    pub fn returned(&self) -> u64 {
        self.returned
    }

    /// Returns the number of messages in the spans, skipped ones included, if the limit shortened
    /// the list.
    pub fn cut_of(&self) -> Option<u64> {
        self.is_cut.then_some(self.messages)
    }
}

impl Iterator for RowList<'_> {
    /// The number of the folder, and the message or the reason why it can't be read.
    type Item = (usize, Result<MessageRow, ReadError>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (n, slot) = self.slots.next()?;
            if self.limit.is_some_and(|limit| self.returned >= limit) {
                self.is_cut = true;
                return None;
            }
            // A message that was pruned meanwhile does not count toward the limit.
            if let Some(row) = slot.and_then(|slot| self.readers[n].read(&slot)).transpose() {
                self.returned += 1;
                return Some((n, row));
            }
        }
    }
}
