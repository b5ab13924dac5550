//! The segments that messages are being sent from, mapped.
use std::collections::VecDeque;

use bytes::Bytes;

use crate::log::Slot;
use crate::log::reader::{Folder, Mapped, ReadError};

/// Segments mapped at once. Messages of one moment come from as many segments as sinkd had workers;
/// large messages have one each.
const MAPS_MAX: usize = 64;
/// Blocks of 256 KiB kept in our memory at once: 64 MiB, and at most one message more. The rest is
/// in the page cache, or isn't.
const BLOCKS_MAX: usize = 256;

/// Gives records in place.
#[derive(Debug)]
pub struct Maps<'a> {
    folder: &'a Folder,
    /// The one used last is last.
    maps: VecDeque<Mapped>,
    /// Segment and block, in the order in which they were brought in.
    blocks: VecDeque<(u32, u32)>,
}

impl<'a> Maps<'a> {
    /// Maps nothing yet.
    pub fn new(folder: &'a Folder) -> Maps<'a> {
        Maps { folder, maps: VecDeque::new(), blocks: VecDeque::new() }
    }

    /// Envelope and payload (wire form), where they lie. Costs the checksum; for the first of a
    /// segment, opening it.
    ///
    /// Errors: it is damaged, or was pruned meanwhile.
    pub fn record(&mut self, slot: &Slot) -> Result<(Bytes, Bytes), ReadError> {
        let map = map(self.folder, &mut self.maps, slot)?;
        let number = slot.id.segment;
        let record = map.record(slot, |block| self.blocks.push_back((number, block)));
        self.let_go();
        Ok(record?)
    }

    /// The record of this slot will be asked for soon: has the disk bring it, and does not wait.
    /// What is wrong with it is told when it is asked for. Costs a system call for each 256 KiB;
    /// for the first of a segment, opening it.
    pub fn will_need(&mut self, slot: &Slot) {
        if let Ok(map) = map(self.folder, &mut self.maps, slot) {
            map.will_need(slot);
        }
    }

    fn let_go(&mut self) {
        while self.blocks.len() > BLOCKS_MAX {
            let Some((number, block)) = self.blocks.pop_front() else { return };
            // One that is mapped no more has given everything back.
            if let Some(map) = self.maps.iter_mut().find(|map| map.segment().number() == number) {
                map.let_go(block);
            }
        }
    }
}

/// The map of the segment of `slot`, which becomes the last of `maps`.
fn map<'a>(
    folder: &Folder,
    maps: &'a mut VecDeque<Mapped>,
    slot: &Slot,
) -> Result<&'a mut Mapped, ReadError> {
    let number = slot.id.segment;
    let is_it = |map: &Mapped| map.segment().number() == number;
    let map = match maps.iter().rposition(is_it) {
        Some(at) if at + 1 == maps.len() => None,
        Some(at) => maps.remove(at),
        None => {
            let segment = folder.segment(number).map_err(|error| match error {
                ReadError::NoSuchMessage { .. } => ReadError::NoSuchMessage { id: slot.id },
                other => other,
            })?;
            Some(Mapped::new(segment)?)
        }
    };
    maps.extend(map);
    if maps.len() > MAPS_MAX {
        maps.pop_front();
    }
    Ok(maps.back_mut().expect("it is the last now"))
}

#[cfg(test)]
mod tests {
    use super::super::testkit::{folder, stored};
    use super::*;
    use crate::log::MessageId;

    #[test]
    fn what_was_asked_for_ahead_is_still_brought_in_and_let_go() {
        let data = tempfile::tempdir().unwrap();
        let ids = folder(data.path(), &[stored(1, 1, 1), stored(2, 1, 2)]);
        let folder = Folder::open(data.path()).unwrap();
        let slot = |id: MessageId| folder.find(id).unwrap().1;
        let mut maps = Maps::new(&folder);
        maps.will_need(&slot(ids[0]));
        assert!(maps.blocks.is_empty() && maps.maps.len() == 1);
        for id in &ids {
            let (_, payload) = maps.record(&slot(*id)).unwrap();
            assert!(payload.ends_with(b"hello\r\n"));
        }
        assert_eq!(maps.blocks, [(ids[0].segment, 0)]);
        // What names nothing is told when it is asked for, and not before.
        let mut gone = slot(ids[0]);
        gone.record_offset = u64::MAX / 2;
        maps.will_need(&gone);
        assert!(maps.record(&gone).is_err());
        gone.id.segment = 99;
        maps.will_need(&gone);
        assert!(maps.record(&gone).is_err());
    }
}
