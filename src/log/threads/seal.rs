//! Seals a segment that its worker has left.
use std::sync::atomic::Ordering::{Relaxed, Release};

use super::maker::Maker;
use crate::log::exchange::{FlushJob, RetiredSegment};
use crate::log::files::disk;
use crate::log::format::{COUNTED_WORD, LIVE_WORDS, LiveWords, STATE_WORD, SYNCED_WORD, State};
use crate::log::settings::Durability;
use crate::log::upkeep::sealed::Sealed;

/// Writes totals and state to the live page, returns unused space to the disk, and unmaps the file
/// or keeps its map. Deletes a segment that holds neither a slot nor a count.
pub(super) fn seal(left: RetiredSegment, maker: &mut Maker) {
    if matches!(maker.settings.durability, Durability::Interval(_)) {
        drop(maker.flusher.send(FlushJob::Forget { number: left.identity.number }));
    }
    if left.slots == 0 && left.counted == 0 {
        let number = left.identity.number;
        drop(left);
        return maker.forget(number);
    }
    let words = seal_live_page(&left);
    for hole in &left.holes {
        disk::punch(left.access.file(), *hole);
    }
    if left.state == State::Sealed {
        maker.sync_later(left.identity.number);
    }
    let disk_bytes = left.access.file().metadata().map_or(0, |m| disk::bytes_of(&m));
    let (published, counted) = (words.published(), words.0[COUNTED_WORD]);
    let sealed = Sealed::new(disk_bytes, &left.identity, published, counted, &left.totals);
    maker.retainer.keep_map(left.identity.number, left.access);
    maker.retainer.add_sealed(left.identity.number, sealed);
}

/// Seals the live page, and returns its new content.
fn seal_live_page(left: &RetiredSegment) -> LiveWords {
    let live = left.access.live();
    let mut words = LiveWords(std::array::from_fn(|i| u64::from_le(live[i].load(Relaxed))));
    words.seal(&left.identity.seed(), &left.totals, left.state);
    words.0[SYNCED_WORD] = 0;
    for i in (0..LIVE_WORDS).filter(|i| *i != STATE_WORD) {
        live[i].store(words.0[i].to_le(), Relaxed);
    }
    // Publishes the totals. Partner: the acquire fence in `Segment::words`, in any process.
    live[STATE_WORD].store(words.0[STATE_WORD].to_le(), Release);
    words
}
