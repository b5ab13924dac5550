//! Plans a replay: which messages are sent, in the order of their original departure.
use crate::log::reader::{Folder, ReadError};
use crate::log::{MessageId, Slot};
use crate::time::{Span, UnixNs};

use super::ahead::ReadAhead;
use super::lanes::Lanes;

/// Number of messages to look ahead when sorting by departure. The log is in the order of commits;
/// a message is sent late if this many others overtook it while it arrived. Takes 8 MiB.
pub const LOOK_AHEAD: usize = 65_536;

/// The part of a folder to send.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Messages received in a span of time.
    Span(Span),
    /// These messages, in the order of a listing (see [`in_order`]). Takes 8 octets of memory each.
    Ids(Vec<MessageId>),
}

/// Messages in the order of a listing, or why one of them can't be read.
pub type Messages<'a> = Box<dyn Iterator<Item = Result<Slot, ReadError>> + Send + 'a>;

/// A message and its departure: the time at which MAIL was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    /// The slot of the message.
    pub slot: Slot,
    /// The start of sinkd that accepted it, numbered from 1.
    pub start_count: u32,
    /// The departure.
    pub left_ns: UnixNs,
}

/// The messages of a selection, in the order of departure.
pub struct ReplayPlan<'a> {
    folder: &'a Folder,
    input: Messages<'a>,
    /// Sorted by start of sinkd, then by departure.
    ahead: ReadAhead<(u32, UnixNs), Slot>,
    /// The segment of the last message and its start, because the next message is usually in the
    /// same segment.
    last_start: (u32, u32),
    /// The lanes of all waiting messages.
    pub lanes: Lanes,
}

impl Selection {
    /// Returns the messages of the selection, oldest first. Costs at most a binary search.
    pub fn messages<'a>(&self, folder: &'a Folder) -> Result<Messages<'a>, ReadError> {
        Ok(match self {
            Selection::Span(span) => Box::new(folder.listing(*span)?.forward(0)?),
            Selection::Ids(ids) => Box::new(ids.clone().into_iter().map(|id| find(folder, id))),
        })
    }

    /// Returns the number of messages, including those that can't be read.
    pub fn len(&self, folder: &Folder) -> Result<u64, ReadError> {
        Ok(match self {
            Selection::Span(span) => folder.listing(*span)?.len(),
            Selection::Ids(ids) => ids.len() as u64,
        })
    }

    /// Returns the last message, if it can be read.
    pub fn last(&self, folder: &Folder) -> Result<Option<Slot>, ReadError> {
        Ok(match self {
            Selection::Span(span) => folder.listing(*span)?.backward(0)?.find_map(Result::ok),
            Selection::Ids(ids) => ids.iter().rev().find_map(|id| find(folder, *id).ok()),
        })
    }
}

fn find(folder: &Folder, id: MessageId) -> Result<Slot, ReadError> {
    let (_, slot) = folder.find(id)?;
    if slot.is_message() { Ok(slot) } else { Err(ReadError::NoSuchMessage { id }) }
}

/// Sorts ids in the order of a listing, without duplicates; of each start of sinkd, ids without a
/// message come first. Costs a read per id.
pub fn in_order(folder: &Folder, ids: Vec<MessageId>) -> Vec<MessageId> {
    let key = |id: MessageId| {
        let received_at_ns =
            find(folder, id).map_or(UnixNs::EPOCH, |slot| slot.facts().received_at_ns);
        (start_count(folder, id.segment), received_at_ns, id)
    };
    let mut keys: Vec<_> = ids.into_iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(|(_, _, id)| id).collect()
}

fn start_count(folder: &Folder, segment: u32) -> u32 {
    folder.summary(segment).map_or(0, |summary| summary.identity.start_count)
}

/// Returns when MAIL was accepted, in Unix ns.
pub fn left_ns(slot: &Slot) -> UnixNs {
    let took_ns = u64::from(slot.facts().transaction_us) * 1_000;
    slot.facts().received_at_ns.saturating_sub_ns(took_ns)
}

impl<'a> ReplayPlan<'a> {
    /// Plans to send the messages of `selection`. `look_ahead` is usually [`LOOK_AHEAD`].
    pub fn new(
        folder: &'a Folder,
        selection: &Selection,
        look_ahead: usize,
    ) -> Result<ReplayPlan<'a>, ReadError> {
        let (input, ahead) = (selection.messages(folder)?, ReadAhead::new(look_ahead));
        Ok(ReplayPlan { folder, input, ahead, last_start: (0, 0), lanes: Lanes::default() })
    }

    /// Returns the next message to leave. `is_wanted` gets each message, or why it can't be read,
    /// when it enters the look-ahead. Costs a few comparisons, and sometimes reading slots.
    pub fn next(
        &mut self,
        mut is_wanted: impl FnMut(Result<&Slot, ReadError>) -> bool,
    ) -> Option<Departure> {
        while !self.ahead.is_full() {
            match self.input.next() {
                None => break,
                Some(Err(error)) => drop(is_wanted(Err(error))),
                Some(Ok(slot)) => {
                    if is_wanted(Ok(&slot)) {
                        let start_count = self.start_count(slot.id().segment);
                        self.lanes.enter((start_count, slot.facts().session));
                        self.ahead.push((start_count, left_ns(&slot)), slot);
                    }
                }
            }
        }
        let ((start_count, left_ns), slot) = self.ahead.pop()?;
        Some(Departure { slot, start_count, left_ns })
    }

    fn start_count(&mut self, segment: u32) -> u32 {
        if self.last_start.0 != segment {
            self.last_start = (segment, start_count(self.folder, segment));
        }
        self.last_start.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::replay::testkit::{folder, stored};

    /// Checks the order in which messages that were received a millisecond apart leave.
    #[track_caller]
    fn check(transactions_us: &[u32], look_ahead: usize, expected: &[usize]) {
        let data = tempfile::tempdir().unwrap();
        let messages: Vec<_> = (1u32..)
            .zip(transactions_us)
            .map(|(number, us)| {
                let mut message = stored(number, 1, u64::from(number) * 1_000_000);
                message.facts.transaction_us = *us;
                message
            })
            .collect();
        let ids = folder(data.path(), &messages);
        let folder = Folder::open(data.path()).unwrap();
        let chosen: Vec<MessageId> = ids.iter().rev().chain(ids.first()).copied().collect();
        for selection in
            [Selection::Span(Span::default()), Selection::Ids(in_order(&folder, chosen))]
        {
            assert_eq!(selection.len(&folder).unwrap(), ids.len() as u64);
            assert_eq!(selection.last(&folder).unwrap().map(|s| s.id()), ids.last().copied());
            let mut plan = ReplayPlan::new(&folder, &selection, look_ahead).unwrap();
            let mut got = Vec::new();
            while let Some(departure) = plan.next(|slot| slot.is_ok()) {
                assert_eq!(departure.start_count, 1);
                got.push(ids.iter().position(|id| *id == departure.slot.id()).unwrap());
            }
            assert_eq!(got, expected, "{transactions_us:?} {look_ahead}");
        }
    }

    #[test]
    fn messages_leave_when_mail_was_accepted() {
        check(&[10, 10, 10], 10, &[0, 1, 2]);
        check(&[10, 10, 2_500, 10], 10, &[2, 0, 1, 3]);
        check(&[10, 10, 2_500, 10], 2, &[0, 2, 1, 3]); // seen too late
        check(&[1_000, 2_000, 3_000], 10, &[0, 1, 2]); // at the same moment: as listed
        check(&[u32::MAX, 0], 10, &[0, 1]);
        check(&[], 10, &[]);
    }

    #[test]
    fn ids_that_name_nothing_are_reported() {
        let data = tempfile::tempdir().unwrap();
        let ids = folder(data.path(), &[stored(1, 1, 1_000)]);
        let folder = Folder::open(data.path()).unwrap();
        let gone = MessageId { segment: 9, slot: 9 };
        let selection = Selection::Ids(in_order(&folder, vec![ids[0], gone]));
        let mut plan = ReplayPlan::new(&folder, &selection, 10).unwrap();
        let mut errors = Vec::new();
        let departure = plan.next(|slot| slot.map_err(|e| errors.push(e.to_string())).is_ok());
        assert_eq!(departure.unwrap().slot.id(), ids[0]);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("no message 9:9"), "{errors:?}");
    }
}
