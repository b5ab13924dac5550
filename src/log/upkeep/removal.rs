//! `rm`: marks messages as removed, with or without a running sinkd.
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::log::files::events::LockedEvents;
use crate::log::files::flags::{self, Flags, FlagsOf};
use crate::log::format::id::MessageId;
use crate::log::reader::{Damage, Folder, ReadError, Segment};
use crate::time::{Span, UnixNs};

/// Which messages to remove.
#[derive(Debug, Clone)]
pub enum Remove {
    /// The messages with these IDs.
    Ids(Vec<MessageId>),
    /// All messages that exist when the removal begins.
    All,
    /// All messages received before this time. Messages that were only counted have no
    /// time, and stay.
    Until(UnixNs),
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
    // Held until the end: one process at a time changes the flags.
    let _lock = LockedEvents::lock(path).map_err(io_error)?;
    let folder = Folder::open(path).map_err(io_error)?;
    match what {
        Remove::Ids(ids) => remove_ids(&folder, ids),
        Remove::All => remove_all(&folder),
        Remove::Until(until_ns) => remove_until(&folder, *until_ns),
    }
}

/// Returns what [`remove`] would do now. Takes no lock, and changes nothing.
///
/// Errors: the folder can't be read.
pub fn removable(folder: &Folder, what: &Remove) -> Result<Removed, ReadError> {
    let messages = match what {
        Remove::Ids(ids) => return removable_ids(folder, ids),
        Remove::All => folder.messages() + folder.only_counted(),
        Remove::Until(until_ns) => {
            let span = Span { since_ns: None, until_ns: Some(*until_ns) };
            folder.listing(span)?.present()
        }
    };
    Ok(Removed { messages, missing: Vec::new() })
}

fn removable_ids(folder: &Folder, ids: &[MessageId]) -> Result<Removed, ReadError> {
    let mut found = BTreeSet::new();
    let mut missing = Vec::new();
    for id in ids {
        match flags_of(folder, *id)? {
            Some(_) => drop(found.insert((id.segment, id.slot))),
            None => missing.push(*id),
        }
    }
    Ok(Removed { messages: found.len() as u64, missing })
}

/// Returns the segment whose flags can record the removal of a message; `None` if there is no such
/// message.
fn flags_of(folder: &Folder, id: MessageId) -> Result<Option<FlagsOf>, ReadError> {
    match folder.find(id) {
        Ok((segment, slot)) if slot.is_message() => Ok(Some(FlagsOf::from(segment.identity()))),
        // A damaged slot identifies no message.
        Ok(_)
        | Err(
            ReadError::NoSuchMessage { .. }
            | ReadError::Removed { .. }
            | ReadError::Damage(Damage::Slot { .. }),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

fn io_error(source: io::Error) -> ReadError {
    ReadError::Io { source }
}

fn remove_ids(folder: &Folder, ids: &[MessageId]) -> Result<Removed, ReadError> {
    let mut done = Removed::default();
    let mut changed = BTreeMap::new();
    for id in ids {
        let Some(of) = flags_of(folder, *id)? else {
            done.missing.push(*id);
            continue;
        };
        let (_, flags) =
            changed.entry(id.segment).or_insert_with(|| (of, flags::load(folder.path(), of)));
        // An ID that is given twice counts once.
        done.messages += u64::from(flags.remove(id.slot));
    }
    for (of, flags) in changed.values() {
        flags::store(folder.path(), *of, flags).map_err(io_error)?;
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
        flags::store(folder.path(), of, &flags).map_err(io_error)?;
        done.messages += gone;
    }
    Ok(done)
}

fn remove_until(folder: &Folder, until_ns: UnixNs) -> Result<Removed, ReadError> {
    let listing = folder.listing(Span { since_ns: None, until_ns: Some(until_ns) })?;
    let mut done = Removed::default();
    for (identity, slot, messages) in listing.ends() {
        let of = FlagsOf::from(identity);
        let mut flags = flags::load(folder.path(), of);
        if slot <= flags.watermark {
            continue;
        }
        let gone = if folder.summary(of.number).is_some_and(|s| s.totals.lost_messages > 0) {
            let segment = match folder.segment(of.number) {
                Err(ReadError::Pruned { .. }) => continue,
                other => other?,
            };
            let gone = present(&segment, &flags, slot);
            flags.raise(slot, messages);
            gone
        } else {
            let before = flags.messages();
            flags.raise(slot, messages);
            flags.messages() - before
        };
        flags::store(folder.path(), of, &flags).map_err(io_error)?;
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
