//! Provisioning's side of an own segment: grown ahead of its worker, cut, written out, renamed.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use crossbeam_channel::Sender;

use super::disk;
use super::flush::{FlushJob, OwnFlush};
use super::format::{
    Crc, Kind, LiveWords, NOTES_WORD, PAGE_BYTES, PAYLOAD_BYTES_MAX, PUBLISHED_WORD, Place,
    Published, RECORDS_AT, REJECTIONS_WORD, SLOT_BYTES, SegmentKind, State, Totals, encode_slot,
};
use super::id::MessageId;
use super::layout;
use super::map::Mapping;
use super::own::{OWN_WINDOW_BYTES, OwnCommit, OwnEvent};
use super::provision::Provision;
use super::prune::sealed;
use super::retention::Sealed;
use super::settings::Durability;
use super::window::{Gate, Window};

/// The mark moves in steps of this, so that a parked transfer goes on before all is populated.
const STEP_BYTES: u64 = 2 << 20;

/// Is a window as far ahead as it should be?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Full,
    Short,
}

/// An own segment, as provisioning knows it.
pub(crate) struct OwnWork {
    pub key: u64,
    window: Arc<Window>,
    events: Sender<OwnEvent>,
    envelope_bytes: u64,
    file: Option<Growing>,
}

/// Its file, `.part`.
struct Growing {
    number: u32,
    mapping: Arc<Mapping>,
    /// Octets that have space on the disk: the file's length.
    allocated: u64,
    /// Octets below this were let go by the map.
    let_go: u64,
}

impl OwnWork {
    pub(crate) fn new(
        key: u64,
        window: Arc<Window>,
        events: Sender<OwnEvent>,
        envelope_bytes: u64,
    ) -> OwnWork {
        OwnWork { key, window, events, envelope_bytes, file: None }
    }
}

impl Provision {
    /// The transfer ended early.
    pub(crate) fn abandon_own(&mut self, own: OwnWork) {
        if let Some(growing) = own.file {
            self.open.remove(&growing.number);
            // Recovery removes what stays.
            drop(std::fs::remove_file(layout::part_path(&self.folder, growing.number)));
        }
    }

    /// It could not be created.
    pub(crate) fn fail_own(&mut self, own: OwnWork, e: &io::Error) {
        tracing::warn!(error = %e, "no room for a large message");
        // The worker may have released it already.
        drop(own.events.send(OwnEvent::Failed));
        self.abandon_own(own);
    }

    /// Opens the file if need be, and moves its window by a step: other workers have their turn
    /// before the next.
    pub(crate) fn grow_own(&mut self, worker: u32, own: &mut OwnWork) -> io::Result<Reach> {
        let outcome = self.try_grow_own(worker, own);
        own.window.marks.full.store(outcome.is_err(), Relaxed);
        outcome
    }

    fn try_grow_own(&mut self, worker: u32, own: &mut OwnWork) -> io::Result<Reach> {
        if own.file.is_none() {
            let expected = own.window.fronts.slots.load(Relaxed);
            own.file = Some(self.with_space(expected, |this| this.open_part(worker, own))?);
        }
        let growing = own.file.as_mut().expect("opened above");
        let (fronts, marks) = (&own.window.fronts, &own.window.marks);
        let (end, demand) = (fronts.end.load(Relaxed), fronts.demand.load(Relaxed));
        let expected = fronts.slots.load(Relaxed).max(demand);
        let wanted = (end + OWN_WINDOW_BYTES).min(expected).max(demand);
        let mut populated = marks.populated.load(Relaxed);
        if populated < wanted {
            let to = (populated + STEP_BYTES).min(wanted).next_multiple_of(PAGE_BYTES);
            let rest = expected.max(to).saturating_sub(growing.allocated);
            self.with_space(rest, |this| this.allocate_own(growing, to))?;
            growing.mapping.populate(populated..to)?;
            populated = to;
            // Partner: the acquire load in own.rs.
            marks.populated.store(populated, Release);
        }
        // One window behind the front stays, for the checksum that follows it.
        let behind = end.saturating_sub(OWN_WINDOW_BYTES);
        if behind > growing.let_go + OWN_WINDOW_BYTES {
            growing.mapping.let_go(growing.let_go..behind);
            growing.let_go = behind;
        }
        Ok(if populated < wanted { Reach::Short } else { Reach::Full })
    }

    /// Allocates the file of a large message up to octet `to`. It counts like every open segment:
    /// what has to go for it goes now, not when it is whole.
    fn allocate_own(&mut self, growing: &mut Growing, to: u64) -> io::Result<()> {
        if to > growing.allocated {
            self.has_space(to - growing.allocated, self.settings.segment_bytes_first)?;
            disk::allocate(growing.mapping.file(), growing.allocated, to)?;
            growing.allocated = to;
            self.open.insert(growing.number, to);
            self.enforce_retention();
        }
        Ok(())
    }

    fn open_part(&mut self, _worker: u32, own: &OwnWork) -> io::Result<Growing> {
        let number = self.store.take_number()?;
        let path = layout::part_path(&self.folder, number);
        let file = disk::create(&path)?;
        let first = RECORDS_AT + own.envelope_bytes.next_multiple_of(PAGE_BYTES);
        // Address space for the largest payload; pages come with the windows.
        let reach = first + (PAYLOAD_BYTES_MAX + 1);
        let opened = self
            .has_space(first, self.settings.segment_bytes_first)
            .and_then(|()| disk::allocate(&file, 0, first))
            .and_then(|()| Mapping::new(file, reach))
            .and_then(|(mapping, door)| {
                mapping.populate(RECORDS_AT..first)?;
                Ok((mapping, door))
            });
        match opened {
            Ok((mapping, door)) => {
                own.window.marks.populated.store(first, Release);
                // The channel has room for both events of its life.
                drop(own.events.send(OwnEvent::Opened(door)));
                self.open.insert(number, first);
                self.enforce_retention();
                Ok(Growing { number, mapping, allocated: first, let_go: RECORDS_AT })
            }
            Err(e) => {
                drop(std::fs::remove_file(&path));
                Err(e)
            }
        }
    }

    /// Cuts the file to its length, writes slot and header pages, and gives it its name.
    pub(crate) fn finish_own(
        &mut self,
        worker: u32,
        mut own: OwnWork,
        commit: OwnCommit,
        unopened: &[u8],
        gate: &Arc<Gate>,
    ) {
        let Some(growing) = own.file.take() else {
            return;
        };
        let outcome = self.try_finish_own(worker, &growing, commit, unopened).and_then(|words| {
            let messages = u64::from(words.published().messages);
            let sealed = sealed(growing.mapping.file(), messages, 0, &words.totals());
            self.name_own(&own, &growing, gate, sealed)
        });
        if let Err(e) = outcome {
            own.file = Some(growing);
            self.fail_own(own, &e);
        }
    }

    /// Renames the file to its name; where each message is flushed, the flusher does that after the
    /// flush. Only a file that has its name may be dropped.
    fn name_own(
        &mut self,
        own: &OwnWork,
        growing: &Growing,
        gate: &Arc<Gate>,
        sealed: Sealed,
    ) -> io::Result<()> {
        let number = growing.number;
        let id = MessageId { segment: number, slot: 0 };
        let part = layout::part_path(&self.folder, number);
        let path = layout::segment_path(&self.folder, number);
        if self.settings.durability == Durability::Message {
            let (mapping, events) = (growing.mapping.clone(), own.events.clone());
            let gate = gate.clone();
            let own = OwnFlush { mapping, part, path, id, events, gate, sealed: Box::new(sealed) };
            drop(self.flusher.send(FlushJob::Own(own)));
            return Ok(());
        }
        std::fs::rename(part, path)?;
        self.sync_later(number);
        drop(own.events.send(OwnEvent::Committed(id)));
        self.shelve(number, sealed);
        Ok(())
    }

    fn try_finish_own(
        &mut self,
        worker: u32,
        growing: &Growing,
        mut commit: OwnCommit,
        unopened: &[u8],
    ) -> io::Result<LiveWords> {
        drop(commit.door.take());
        growing.mapping.file().write_all_at(unopened, RECORDS_AT)?;
        let (envelope, payload) = (commit.envelope_bytes, commit.payload_bytes);
        let records_end = RECORDS_AT + u64::from(envelope) + u64::from(payload);
        let bytes = (records_end + SLOT_BYTES).next_multiple_of(PAGE_BYTES);
        let file = growing.mapping.file();
        // The last page or two come from what is kept free.
        let (from, rest) = (growing.allocated, bytes.saturating_sub(growing.allocated));
        if rest > 0 {
            self.with_space(rest, |_| disk::allocate(file, from, bytes))?;
        }
        file.set_len(bytes)?;
        let record_crc = match commit.record_crc {
            Some(crc) => crc,
            None => crc_of_file(file, RECORDS_AT, records_end)?,
        };
        let identity = self.identity(growing.number, worker, bytes, SegmentKind::Own);
        let place = Place {
            record_offset: RECORDS_AT,
            envelope_bytes: envelope,
            payload_bytes: payload,
            messages_before: 0,
            record_crc,
        };
        let mut slot = [0; SLOT_BYTES as usize];
        encode_slot(&mut slot, &identity.seed(), 0, &place, &commit.facts);
        file.write_all_at(&slot, bytes - SLOT_BYTES)?;
        let words = own_live(&commit, &identity.seed(), records_end);
        disk::write_live(file, &words)?;
        file.write_all_at(&identity.encode(), 0)?;
        Ok(words)
    }
}

/// The live page of a segment that is sealed when it is first seen.
fn own_live(commit: &OwnCommit, seed: &super::format::Seed, records_end: u64) -> LiveWords {
    let facts = &commit.facts;
    let mut words = LiveWords::default();
    let is_message = facts.kind == Kind::Message;
    let published = Published { slots: 1, messages: u32::from(is_message) };
    words.0[PUBLISHED_WORD] = published.word();
    words.0[REJECTIONS_WORD] = u64::from(facts.kind == Kind::Rejection);
    words.0[NOTES_WORD] = u64::from(facts.kind == Kind::Note);
    let totals = Totals {
        records_end,
        first_received_at_ns: facts.received_at_ns,
        last_received_at_ns: facts.received_at_ns,
        message_bytes: if is_message { u64::from(facts.message_bytes) } else { 0 },
        ..Totals::default()
    };
    words.seal(seed, &totals, State::Sealed);
    words
}

/// CRC32C of the octets `from..to` of a file.
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
