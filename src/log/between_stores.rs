//! For tests: what a reader of the folder finds between any two stores of a commit.
//!
//! Records and slots are written through `WriteAccess::write` in `files/map.rs` alone, which tells
//! of itself here first: a count that was published before its slot, or a slot before its record,
//! is found by a reader that looks then. The memory order of a store is not seen by that.
use std::cell::RefCell;

type Watcher = Box<dyn FnMut()>;

thread_local!(static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) });

/// From now on `look` is called before each store of this thread.
fn watch(look: impl FnMut() + 'static) {
    WATCHER.set(Some(Box::new(look)));
}

/// Something will be stored.
pub(crate) fn before_store() {
    // Taken out while it looks: a store of its own is not looked at.
    let Some(mut look) = WATCHER.take() else { return };
    look();
    WATCHER.set(Some(look));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::rc::Rc;
    use std::time::Duration;

    use super::super::by_hand::LogByHand;
    use super::super::reader::Folder;
    use super::super::{Claim, Commit, LogSettings, NoRoom, SlotFacts, Writer};
    use super::*;

    /// Every slot that counts is whole, and so is its record. Returns how many there are.
    fn look(folder: &Path) -> u64 {
        let folder = Folder::open(folder).unwrap();
        let mut messages = 0;
        for summary in folder.segments() {
            let segment = folder.segment(summary.identity.number).unwrap();
            for slot in segment.slots(0..summary.published.slots) {
                let slot = slot.expect("a slot is written before it counts");
                segment.check_record(&slot).expect("a record is written before its slot");
                messages += 1;
            }
        }
        messages
    }

    /// One message, by one of the ways into the log.
    fn commit(writer: &mut Writer, way: u32, payload: &[u8]) -> Result<Commit, NoRoom> {
        let facts = SlotFacts { message_bytes: payload.len() as u32, ..SlotFacts::default() };
        let (envelope, octets) = (b"an envelope", payload.len());
        match way {
            0 => writer.append(envelope, &[payload], &facts),
            1 => {
                let space = writer.receive_here(envelope, octets + 100)?;
                space[..octets].copy_from_slice(payload);
                // More than the payload was received: what follows it is not part of it.
                space[octets..octets + 5].copy_from_slice(b".\r\nQU");
                Ok(writer.commit_received(octets, &facts))
            }
            _ => {
                let mut reservation = writer.reserve(envelope, octets as u64, Claim::Declared)?;
                writer.space(&mut reservation)?[..octets].copy_from_slice(payload);
                writer.filled(&mut reservation, octets);
                Ok(writer.commit_reserved(reservation, octets as u64, &facts))
            }
        }
    }

    #[test]
    fn nothing_is_published_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let settings = LogSettings {
            segment_bytes_first: 64 << 10,
            segment_bytes_max: 64 << 10,
            ..LogSettings::default()
        };
        let (mut log, _) = LogByHand::open(folder.path(), settings).unwrap();
        let mut writer = log.writer(Box::new(|| ())).unwrap();
        let (committed, looks) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (path, known, looked) = (folder.path().to_owned(), committed.clone(), looks.clone());
        watch(move || {
            assert_eq!(look(&path), known.get(), "a commit under way is not there yet");
            looked.set(looked.get() + 1);
        });
        for number in 0..150 {
            let payload = vec![number as u8; 1 + 17 * number as usize];
            let done = loop {
                match commit(&mut writer, number % 3, &payload) {
                    Err(NoRoom::Wait) => {
                        writer.round_done();
                        log.serve(usize::MAX, Duration::ZERO);
                    }
                    other => break other.unwrap(),
                }
            };
            assert!(matches!(done, Commit::Done(_)));
            committed.set(committed.get() + 1);
            assert_eq!(look(folder.path()), committed.get(), "what is committed is there");
        }
        // A record and a slot of each, and what waits for room once more.
        assert!(looks.get() >= 300, "{} looks", looks.get());
        WATCHER.set(None);
        writer.close();
        log.close(Duration::ZERO);
        assert_eq!(look(folder.path()), 150);
    }
}
