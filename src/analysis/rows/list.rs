//! Messages of several folders in the order of their arrival.
use super::contents::ContentSource;
use super::merged::{Merged, TimeOrder};
use super::reader::RowReader;
use super::row::MessageRow;
use crate::log::Slot;
use crate::log::reader::{Folder, Page, ReadError, Span};

/// Which messages are listed, and in which order.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery<'a> {
    /// The span of time in each folder.
    pub spans: &'a [Span],
    /// Which message comes first.
    pub order: TimeOrder,
    /// Number of messages to skip first.
    pub offset: u64,
    /// Number of messages to return; `None`: all.
    pub limit: Option<u64>,
}

/// Rows one after another: an iterator that holds one row, and a page of slots of each folder.
pub struct RowList<'a> {
    slots: Box<dyn Iterator<Item = (usize, Result<Slot, ReadError>)> + 'a>,
    readers: Vec<RowReader<'a>>,
    limit: Option<u64>,
    returned: u64,
    messages: u64,
    is_cut: bool,
}

/// The time by which a slot is sorted; a slot that can't be read comes at once.
fn received_at_ns(slot: &Result<Slot, ReadError>) -> Option<u64> {
    Some(slot.as_ref().ok()?.facts().received_at_ns)
}

impl<'a> RowList<'a> {
    /// `sources`: where each folder's contents are read. `names`: each folder's name in the rows.
    ///
    /// Costs little per segment, and a binary search where a span cuts through one. Errors: a
    /// folder can't be read.
    pub fn open(
        folders: &'a [Folder],
        sources: &'a mut [ContentSource],
        names: &[Option<String>],
        query: ListQuery<'_>,
    ) -> Result<RowList<'a>, ReadError> {
        // Skipping in one folder costs nothing; rows of several are skipped one by one.
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

    /// Returns the notes that can't be read, each with the number of its folder, once.
    pub fn take_damage(&mut self) -> Vec<(usize, ReadError)> {
        let readers = self.readers.iter_mut().enumerate();
        readers
            .flat_map(|(n, reader)| reader.take_damage().into_iter().map(move |e| (n, e)))
            .collect()
    }

    /// The number of rows returned so far, those that can't be read included.
    pub fn returned(&self) -> u64 {
        self.returned
    }

    /// The number of messages in the spans, skipped ones included, if the limit has cut the list.
    pub fn cut_of(&self) -> Option<u64> {
        self.is_cut.then_some(self.messages)
    }
}

impl Iterator for RowList<'_> {
    /// The number of the folder, and its message, or why that can't be read.
    type Item = (usize, Result<MessageRow, ReadError>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (n, slot) = self.slots.next()?;
            if self.limit.is_some_and(|limit| self.returned >= limit) {
                self.is_cut = true;
                return None;
            }
            // A message that was pruned meanwhile takes no place in the list.
            if let Some(row) = slot.and_then(|slot| self.readers[n].read(&slot)).transpose() {
                self.returned += 1;
                return Some((n, row));
            }
        }
    }
}
