//! Reading on as mail arrives.
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::{Folder, ReadError};
use crate::log::format::Slot;

/// How far a follower has read: slots of each segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(pub BTreeMap<u32, u32>);

/// What has come since a follower last looked.
#[derive(Debug, Default)]
pub struct News {
    /// Messages in the order of their arrival, removed ones left out.
    pub slots: Vec<Slot>,
    /// What can't be read of the rest.
    pub damage: Vec<ReadError>,
}

impl Folder {
    /// How far everything goes now: what a follower that starts here has seen.
    pub fn positions(&self) -> Positions {
        let slots = self.segments().map(|s| (s.identity.number, s.published.slots));
        Positions(slots.collect())
    }

    /// The slots that have come since `seen`, per segment. A long transfer may commit into a
    /// segment its worker has left, so every segment counts for itself.
    pub fn since(&self, seen: &Positions) -> Vec<(u32, Range<u32>)> {
        let new = self.segments().chain(self.departed()).map(|s| {
            let number = s.identity.number;
            (number, seen.0.get(&number).copied().unwrap_or(0)..s.published.slots)
        });
        new.filter(|(_, range)| !range.is_empty()).collect()
    }

    /// Looks again, and gives the messages that have come since `seen`, which moves on. Until the
    /// next look they can be read, also where their segment was pruned, if it was still open at the
    /// look before; other segments that were pruned meanwhile are in [`Folder::passed_over`].
    ///
    /// Costs what [`Folder::refresh`] costs, and a read for 1024 new slots of a segment. Errors:
    /// the folder cannot be listed.
    pub fn follow(&mut self, seen: &mut Positions) -> io::Result<News> {
        self.refresh()?;
        let mut news = News::default();
        for (number, range) in self.since(seen) {
            let segment = match self.segment(number) {
                Ok(segment) => segment,
                Err(ReadError::Pruned { .. }) => continue,
                Err(error) => {
                    news.damage.push(error);
                    continue;
                }
            };
            for slot in segment.slots(range) {
                match slot {
                    Ok(slot) if slot.is_message() && !self.is_removed(slot.id) => {
                        news.slots.push(slot);
                    }
                    Ok(_) => {}
                    Err(damage) => news.damage.push(damage.into()),
                }
            }
        }
        news.slots.sort_by_key(|slot| (slot.facts.received_at_ns, slot.id));
        *seen = self.positions();
        Ok(news)
    }
}
