//! What the lines of a resume file say was sent before.
use std::collections::BTreeMap;

use super::id_set::{IdSet, parse_range};
use crate::log::MessageId;

/// The positions of recipients that remain; `None` for all of them.
pub type Remaining = Option<Box<[u32]>>;

/// What was sent before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentBefore {
    /// Messages of which nothing remains.
    pub done: IdSet,
    /// Messages of which some recipients remain; they are sent again.
    pub remaining: BTreeMap<MessageId, Box<[u32]>>,
    /// Messages that the target may have accepted; sent again, they may arrive twice. Only an
    /// answer for all remaining recipients removes a message from this set.
    pub unknown: IdSet,
}

impl SentBefore {
    /// Applies a line. `None` if the line is invalid.
    pub(super) fn apply_line(&mut self, line: &str, announced: &mut IdSet) -> Option<()> {
        let (what, rest) = line.split_once(' ')?;
        if matches!(what, "p" | "u") {
            let (id, positions) = rest.split_once(' ')?;
            let id: MessageId = id.parse().ok()?;
            let positions: Vec<u32> =
                positions.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
            announced.remove(id);
            if what == "u" {
                self.unknown.insert(id);
            }
            self.remaining.insert(id, positions.into());
            return Some(());
        }
        for range in rest.split(' ') {
            let (segment, slots) = parse_range(range)?;
            match what {
                "g" => announced.insert_range(segment, slots),
                "n" => announced.remove_range(segment, slots),
                "d" => {
                    announced.remove_range(segment, slots.clone());
                    self.unknown.remove_range(segment, slots.clone());
                    let ids = |slot| MessageId { segment, slot };
                    let old = self.remaining.range(ids(slots.start)..ids(slots.end));
                    let old: Vec<MessageId> = old.map(|(id, _)| *id).collect();
                    old.iter().for_each(|id| drop(self.remaining.remove(id)));
                    self.done.insert_range(segment, slots);
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// Finishes reading: messages in progress at the end of the file may have been accepted.
    pub(super) fn finish(mut self, announced: &IdSet) -> SentBefore {
        for (segment, slots) in announced.ranges() {
            self.unknown.insert_range(segment, slots);
        }
        self
    }
}
