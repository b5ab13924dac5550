//! `rm`: marks messages as removed, beside a running sinkd or without one.
use std::collections::BTreeMap;
use std::path::Path;

use crate::log::files::events::LockedEvents;
use crate::log::files::flags::{self, Flags, FlagsOf};
use crate::log::format::id::MessageId;
use crate::log::reader::{Damage, Folder, ReadError, Segment, Span};

/// Which messages to remove.
#[derive(Debug, Clone)]
pub enum Remove {
    /// These.
    Ids(Vec<MessageId>),
    /// All that are there when it begins.
    All,
    /// All that were received before this time (Unix ns). Messages that were only counted have no
    /// time, and stay.
    Until(u64),
}

/// What [`remove`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages that are gone now and were there before.
    pub messages: u64,
    /// Ids that name no message, or one that was gone before.
    pub missing: Vec<MessageId>,
}

/// Marks messages of a data folder as removed: they are not listed, counted or given any more, and
/// their space goes with their segment.
///
/// `All` and `Until` cost a small file per segment, however many messages that are. What arrives
/// while it runs stays. Errors: the folder cannot be read or written.
pub fn remove(path: &Path, what: &Remove) -> Result<Removed, ReadError> {
    let lines = LockedEvents::lock(path).map_err(|source| ReadError::Io { source })?;
    let folder = Folder::open(path).map_err(|source| ReadError::Io { source })?;
    let removed = match what {
        Remove::Ids(ids) => remove_ids(&folder, ids),
        Remove::All => remove_all(&folder),
        Remove::Until(ns) => remove_until(&folder, *ns),
    };
    drop(lines);
    removed
}

fn remove_ids(folder: &Folder, ids: &[MessageId]) -> Result<Removed, ReadError> {
    let mut done = Removed::default();
    let mut changed = BTreeMap::new();
    for id in ids {
        match folder.find(*id) {
            Ok((segment, slot)) if slot.is_message() => {
                let of = FlagsOf::from(segment.identity());
                let (_, flags) = changed
                    .entry(id.segment)
                    .or_insert_with(|| (of, flags::load(folder.path(), of)));
                // Named twice, it is removed once.
                done.messages += u64::from(flags.remove(id.slot));
            }
            // A damaged slot names nothing any more.
            Ok(_)
            | Err(
                ReadError::NoSuchMessage { .. }
                | ReadError::Removed { .. }
                | ReadError::Damage(Damage::Slot { .. }),
            ) => {
                done.missing.push(*id);
            }
            Err(e) => return Err(e),
        }
    }
    for (of, flags) in changed.values() {
        flags::store(folder.path(), *of, flags).map_err(|source| ReadError::Io { source })?;
    }
    Ok(done)
}

/// Everything that is there, messages without a slot included.
fn remove_all(folder: &Folder) -> Result<Removed, ReadError> {
    let mut done = Removed::default();
    for summary in folder.segments() {
        let (slots, counted) = (summary.published.slots, summary.only_counted);
        let gone = summary.messages() + counted.saturating_sub(summary.flags.only_counted);
        if gone == 0 && summary.flags.watermark == slots {
            continue;
        }
        let mut flags = Flags::clone(&summary.flags);
        flags.raise(slots, summary.published.messages);
        flags.only_counted = counted;
        let of = FlagsOf::from(&summary.identity);
        flags::store(folder.path(), of, &flags).map_err(|source| ReadError::Io { source })?;
        done.messages += gone;
    }
    Ok(done)
}

fn remove_until(folder: &Folder, until_ns: u64) -> Result<Removed, ReadError> {
    let listing = folder.listing(Span { since_ns: None, until_ns: Some(until_ns) })?;
    let mut done = Removed::default();
    for (identity, slot, messages) in listing.ends() {
        let of = FlagsOf::from(identity);
        let mut flags = flags::load(folder.path(), of);
        if slot <= flags.watermark {
            continue;
        }
        let gone = match folder.summary(of.number).is_some_and(|s| s.totals.lost_messages > 0) {
            false => {
                let before = flags.messages();
                flags.raise(slot, messages);
                flags.messages() - before
            }
            true => {
                let segment = match folder.segment(of.number) {
                    Err(ReadError::Pruned { .. }) => continue,
                    other => other?,
                };
                let gone = present(&segment, &flags, slot);
                flags.raise(slot, messages);
                gone
            }
        };
        flags::store(folder.path(), of, &flags).map_err(|source| ReadError::Io { source })?;
        done.messages += gone;
    }
    Ok(done)
}

/// Messages below `slot` that are neither lost nor removed. Costs a pass over these slots.
fn present(segment: &Segment, flags: &Flags, slot: u32) -> u64 {
    let slots = segment.slots(flags.watermark..slot).flatten();
    slots.filter(|s| s.is_message() && !flags.is_removed(s.id().slot)).count() as u64
}
