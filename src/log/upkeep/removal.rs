//! `rm`: marks messages as removed, with or without a running sinkd.
use std::collections::BTreeMap;
use std::path::Path;

use crate::log::files::events::LockedEvents;
use crate::log::files::flags::{self, Flags, FlagsOf};
use crate::log::format::id::MessageId;
use crate::log::reader::{Damage, Folder, ReadError, Segment};
use crate::time::Span;

/// Which messages to remove.
#[derive(Debug, Clone)]
pub enum Remove {
    /// The messages with these IDs.
    Ids(Vec<MessageId>),
    /// All messages that exist when the removal begins.
    All,
    /// All messages received before this time (Unix ns). Messages that were only counted have no
    /// time, and stay.
    Until(u64),
}

/// The result of [`remove`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Number of messages that existed and are removed now.
    pub messages: u64,
    /// IDs without a message, or whose message was removed before.
    pub missing: Vec<MessageId>,
}

/// Marks messages of a data folder as removed: they no longer appear in listings or counts, and
/// can't be read. Their space is freed when their segment is dropped.
///
/// `All` and `Until` cost a small file per segment, whatever the number of messages. Messages that
/// arrive meanwhile stay. Errors: the folder can't be read or written.
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
                // An ID that is given twice counts once.
                done.messages += u64::from(flags.remove(id.slot));
            }
            // A damaged slot identifies no message.
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

/// Removes everything, including messages without a slot.
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

/// Returns the number of messages below `slot` that are neither lost nor removed. Costs a pass over
/// these slots.
fn present(segment: &Segment, flags: &Flags, slot: u32) -> u64 {
    let slots = segment.slots(flags.watermark..slot).flatten();
    slots.filter(|s| s.is_message() && !flags.is_removed(s.id().slot)).count() as u64
}
