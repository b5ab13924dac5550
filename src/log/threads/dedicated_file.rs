//! Provisioning's side of a dedicated segment: extends the file ahead of its worker, then cuts,
//! completes and renames it.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Sender;

use super::maker::Maker;
use crate::log::exchange::{
    DEDICATED_WINDOW_BYTES, DedicatedCommit, DedicatedEvent, DedicatedFlush, DedicatedWindow,
    FlushJob, Gate, NewDedicated,
};
use crate::log::files::disk;
use crate::log::files::layout;
use crate::log::files::map::Mapping;
use crate::log::format::id::MessageId;
use crate::log::format::{
    Crc, LiveWords, NOTES_WORD, PAGE_BYTES, PAYLOAD_BYTES_MAX, PUBLISHED_WORD, Published,
    RECORDS_AT, REJECTIONS_WORD, Record, SLOT_BYTES, SealedTotals, Seed, SegmentKind, SlotFacts,
    SlotKind, State, encode_slot,
};
use crate::log::settings::Durability;
use crate::log::upkeep::sealed::Sealed;

/// The mark moves in steps of this size, so that a parked transfer continues before everything is
/// populated.
const STEP_BYTES: u64 = 2 << 20;

/// Whether a window has its full size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provisioned {
    Full,
    Short,
}

/// Provisioning's view of a dedicated segment.
pub(super) struct DedicatedFile {
    pub key: u64,
    worker: u32,
    window: Arc<DedicatedWindow>,
    events: Sender<DedicatedEvent>,
    envelope_bytes: u64,
    growing: Option<Growing>,
}

/// The segment's file, named `.part`.
struct Growing {
    number: u32,
    mapping: Arc<Mapping>,
    /// The map has released its pages below this offset.
    release_pages: u64,
}

impl DedicatedFile {
    pub(super) fn new(worker: u32, dedicated: NewDedicated) -> DedicatedFile {
        let NewDedicated { key, window, events, envelope_bytes } = dedicated;
        DedicatedFile { key, worker, window, events, envelope_bytes, growing: None }
    }

    /// Deletes the segment of a transfer that ended early.
    pub(super) fn abandon(self, maker: &mut Maker) {
        if let Some(growing) = self.growing {
            growing.abandon(maker);
        }
    }

    /// Reports that the file could not be created.
    pub(super) fn fail(self, maker: &mut Maker, e: &io::Error) {
        report_failure(&self.events, e);
        self.abandon(maker);
    }

    /// Opens the file if necessary, and moves its window by one step; other workers are served
    /// before the next step.
    pub(super) fn grow(&mut self, maker: &mut Maker) -> io::Result<Provisioned> {
        let outcome = self.try_grow(maker);
        self.window.is_full.store(outcome.is_err(), Relaxed);
        outcome
    }

    fn try_grow(&mut self, maker: &mut Maker) -> io::Result<Provisioned> {
        let growing = match self.growing.take() {
            Some(growing) => growing,
            None => {
                let expected = self.window.expected_end.load(Relaxed);
                maker.with_space(expected, |maker| self.open_part(maker))?
            }
        };
        self.growing.insert(growing).step(maker, &self.window)
    }

    fn open_part(&self, maker: &mut Maker) -> io::Result<Growing> {
        let number = maker.store.take_number()?;
        let path = layout::part_path(&maker.folder, number);
        let file = disk::create(&path)?;
        let first = RECORDS_AT + self.envelope_bytes.next_multiple_of(PAGE_BYTES);
        // Reserves address space for the largest payload; pages are populated with the windows.
        let reach = first + (PAYLOAD_BYTES_MAX + 1);
        let opened = maker
            .has_space(first, maker.settings.segment_bytes_first)
            .and_then(|()| disk::allocate(&file, 0, first))
            .and_then(|()| Mapping::new(file, first, reach))
            .and_then(|(mapping, access)| {
                mapping.populate_front(first)?;
                Ok((mapping, access))
            });
        match opened {
            Ok((mapping, access)) => {
                // The channel has room for both events of a dedicated segment.
                drop(self.events.send(DedicatedEvent::Opened(access)));
                maker.retainer.opened(number, first);
                maker.retainer.enforce();
                Ok(Growing { number, mapping, release_pages: RECORDS_AT })
            }
            Err(e) => {
                drop(std::fs::remove_file(&path));
                Err(e)
            }
        }
    }

    /// Cuts the file to its length, writes slot and header pages, and renames it.
    pub(super) fn finish(self, maker: &mut Maker, commit: DedicatedCommit, gate: &Arc<Gate>) {
        let Some(growing) = self.growing else {
            return;
        };
        let outcome = growing
            .finish_file(maker, self.worker, commit)
            .and_then(|sealed| growing.name(maker, &self.events, gate, sealed));
        if let Err(e) = outcome {
            report_failure(&self.events, &e);
            growing.abandon(maker);
        }
    }
}

fn report_failure(events: &Sender<DedicatedEvent>, e: &io::Error) {
    tracing::warn!(error = %e, "no room for a large message");
    // The worker may have released the segment already.
    drop(events.send(DedicatedEvent::Failed));
}

impl Growing {
    fn abandon(self, maker: &mut Maker) {
        maker.retainer.closed(self.number);
        // Recovery deletes what remains.
        drop(std::fs::remove_file(layout::part_path(&maker.folder, self.number)));
    }

    /// Moves the window by one step.
    fn step(&mut self, maker: &mut Maker, window: &DedicatedWindow) -> io::Result<Provisioned> {
        let (end, demand) = (window.filled_to.load(Relaxed), window.demand.load(Relaxed));
        let expected = window.expected_end.load(Relaxed).max(demand);
        let wanted = (end + DEDICATED_WINDOW_BYTES).min(expected).max(demand);
        let mut populated = self.mapping.usable().front;
        if populated < wanted {
            let to = (populated + STEP_BYTES).min(wanted).next_multiple_of(PAGE_BYTES);
            let rest = expected.max(to).saturating_sub(self.mapping.file_bytes());
            maker.with_space(rest, |maker| self.allocate(maker, to))?;
            self.mapping.populate_front(to)?;
            populated = to;
        }
        // One window before the front stays mapped, for the checksum, which lags a little.
        let released = end.saturating_sub(DEDICATED_WINDOW_BYTES);
        if released > self.release_pages + DEDICATED_WINDOW_BYTES {
            self.mapping.release_pages(self.release_pages..released);
            self.release_pages = released;
        }
        Ok(if populated < wanted { Provisioned::Short } else { Provisioned::Full })
    }

    /// Extends the file of a large message to `to` octets. It counts like every open segment: older
    /// mail is dropped for it now, not when it is complete.
    fn allocate(&self, maker: &mut Maker, to: u64) -> io::Result<()> {
        let allocated = self.mapping.file_bytes();
        if to > allocated {
            maker.has_space(to - allocated, maker.settings.segment_bytes_first)?;
            self.mapping.grow(to)?;
            maker.retainer.opened(self.number, to);
            maker.retainer.enforce();
        }
        Ok(())
    }

    /// Renames the file to its final name. If each message is flushed, the flusher does that after
    /// the flush. Only a file with its final name can be dropped.
    fn name(
        &self,
        maker: &mut Maker,
        events: &Sender<DedicatedEvent>,
        gate: &Arc<Gate>,
        sealed: Sealed,
    ) -> io::Result<()> {
        let number = self.number;
        let id = MessageId { segment: number, slot: 0 };
        let part = layout::part_path(&maker.folder, number);
        let path = layout::segment_path(&maker.folder, number);
        if maker.settings.durability == Durability::Message {
            maker.retainer.name_later(number, sealed);
            let (mapping, events) = (self.mapping.clone(), events.clone());
            let dedicated = DedicatedFlush { mapping, part, path, id, events, gate: gate.clone() };
            drop(maker.flusher.send(FlushJob::Dedicated(dedicated)));
            return Ok(());
        }
        std::fs::rename(part, path)?;
        maker.sync_later(number);
        drop(events.send(DedicatedEvent::Committed(id)));
        maker.retainer.add_sealed(number, sealed);
        Ok(())
    }

    fn finish_file(
        &self,
        maker: &mut Maker,
        worker: u32,
        commit: DedicatedCommit,
    ) -> io::Result<Sealed> {
        // The worker has given up its access, so the file can be cut.
        drop(commit.access);
        let file = self.mapping.file();
        file.write_all_at(&commit.unwritten, RECORDS_AT)?;
        let (envelope_bytes, payload_bytes) = (commit.envelope_bytes, commit.payload_bytes);
        let records_end = RECORDS_AT + u64::from(envelope_bytes) + u64::from(payload_bytes);
        let bytes = (records_end + SLOT_BYTES).next_multiple_of(PAGE_BYTES);
        // The last page or two use the space that is kept free.
        let allocated = self.mapping.file_bytes();
        if bytes > allocated {
            maker.with_space(bytes - allocated, |_| self.mapping.grow(bytes))?;
        }
        file.set_len(bytes)?;
        let crc = match commit.record_crc {
            Some(crc) => crc,
            None => crc_of_file(file, RECORDS_AT, records_end)?,
        };
        let identity = maker.identity(self.number, worker, bytes, SegmentKind::Dedicated);
        let record = Record { offset: RECORDS_AT, envelope_bytes, payload_bytes, crc };
        let mut slot = [0; SLOT_BYTES as usize];
        let seed = identity.seed();
        encode_slot(&mut slot, &seed, Published::default(), &record, &commit.facts);
        file.write_all_at(&slot, bytes - SLOT_BYTES)?;
        let words = dedicated_live(&commit.facts, &seed, records_end);
        disk::write_live(file, &words)?;
        file.write_all_at(&identity.encode(), 0)?;
        let disk_bytes = file.metadata().map_or(0, |m| disk::bytes_of(&m));
        Ok(Sealed::new(disk_bytes, &identity, words.published(), 0, &words.totals()))
    }
}

/// Returns the live page of a segment that is sealed before readers first see it.
fn dedicated_live(facts: &SlotFacts, seed: &Seed, records_end: u64) -> LiveWords {
    let mut words = LiveWords::default();
    let is_message = facts.kind == SlotKind::Message;
    let published = Published { slots: 1, messages: u32::from(is_message) };
    words.0[PUBLISHED_WORD] = published.word();
    words.0[REJECTIONS_WORD] = u64::from(facts.kind == SlotKind::Rejection);
    words.0[NOTES_WORD] = u64::from(facts.kind == SlotKind::Note);
    let totals = SealedTotals {
        records_end,
        first_received_at_ns: facts.received_at_ns,
        last_received_at_ns: facts.received_at_ns,
        message_bytes: if is_message { u64::from(facts.message_bytes) } else { 0 },
        ..SealedTotals::default()
    };
    words.seal(seed, &totals, State::Sealed);
    words
}

/// Returns the CRC32C of the octets `from..to` of a file.
fn crc_of_file(file: &File, from: u64, to: u64) -> io::Result<u32> {
    let mut crc = Crc::new();
    let mut chunk = vec![0; 256 << 10];
    let mut at = from;
    while at < to {
        let len = (to - at).min(chunk.len() as u64) as usize;
        file.read_exact_at(&mut chunk[..len], at)?;
        crc.update(&chunk[..len]);
        at += len as u64;
    }
    Ok(crc.value())
}
