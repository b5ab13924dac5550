//! For tests: lets a reader check the folder between any two stores of a commit.
//!
//! All records and slots are written by `WriteAccess::write` in `files/map.rs`, which first calls
//! `before_store`. So if a count were published before its slot, or a slot before its record, a
//! reader would see it at that moment. The memory order of stores is not tested here;
//! tools/orderings does that for `exchange/gate.rs` and `files/usable.rs`.
use std::cell::RefCell;

type Watcher = Box<dyn FnMut()>;

thread_local!(static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) });

/// Calls `look` before each further store of this thread.
fn watch(look: impl FnMut() + 'static) {
    WATCHER.set(Some(Box::new(look)));
}

/// Called before each store.
pub(crate) fn before_store() {
    // Removed during the call: stores that `look` makes itself are not observed.
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

    use super::*;
    use crate::log::by_hand::LogByHand;
    use crate::log::reader::Folder;
    use crate::log::{Commit, LogSettings, NoRoom, SizeBasis, SlotFacts, Writer};

    /// Checks that every counted slot is valid and has a valid record. Returns the number of
    /// messages.
    fn count_messages(folder: &Path) -> u64 {
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

    /// Commits a message in one of the three ways.
    fn commit(writer: &mut Writer, way: u32, payload: &[u8]) -> Result<Commit, NoRoom> {
        let facts = SlotFacts { message_bytes: payload.len() as u32, ..SlotFacts::default() };
        let (envelope, octets) = (b"an envelope", payload.len());
        match way {
            0 => writer.append(envelope, &[payload], &facts),
            1 => {
                let space = writer.receive_here(envelope, octets + 100)?;
                space[..octets].copy_from_slice(payload);
                // More than the payload was received; the rest is not part of it.
                space[octets..octets + 5].copy_from_slice(b".\r\nQU");
                Ok(writer.commit_received(octets, &facts))
            }
            _ => {
                let mut reservation =
                    writer.reserve(envelope, octets as u64, SizeBasis::Declared)?;
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
            assert_eq!(count_messages(&path), known.get(), "a commit under way is not there yet");
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
            assert_eq!(
                count_messages(folder.path()),
                committed.get(),
                "what is committed is there"
            );
        }
        // 150 messages, each with at least two stores: its record and its slot.
        assert!(looks.get() >= 300, "{} looks", looks.get());
        WATCHER.set(None);
        writer.close();
        log.close(Duration::ZERO);
        assert_eq!(count_messages(folder.path()), 150);
    }
}
