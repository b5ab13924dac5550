//! Recovers a folder after its sinkd ended in any way.
//!
//! Opening costs one small read per segment. The counts of a segment that was written in the
//! current boot are right, because the page cache has survived: if it is unsealed, it is sealed as
//! it is. After a reboot, messages that were not flushed are found by [`scan`]. Only `Log::open`,
//! which holds the lock, writes the result to disk; readers compute it in memory.
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::retention::SealedSegments;
use super::sealed::Sealed;
use crate::log::exchange::{SYNC_AFTER, SyncJob};
use crate::log::files::disk;
use crate::log::files::error::OpenError;
use crate::log::files::layout;
use crate::log::format::id::MessageId;
use crate::log::format::{BootId, LiveWords, SLOT_BYTES, SYNCED_WORD, State, slot_at};
use crate::log::reader::{Extent, ScanResult, Segment, SegmentError, scan};

/// The result of opening a folder, for sinkd's log.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Number of readable segments.
    pub segments: u64,
    /// Number of readable messages in them.
    pub messages: u64,
    /// Number of segments left open by an earlier sinkd, and sealed now.
    pub sealed_now: u64,
    /// Everything that can't be read.
    pub damaged: Vec<RecoveryDamage>,
    /// The segments that retention may drop.
    pub(crate) sealed_segments: SealedSegments,
}

/// Something that recovery could not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryDamage {
    /// A segment can't be read, or its counts are damaged.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Slots whose messages did not survive a crash of the machine.
    #[error(
        "{}, byte {offset}: slots lost in a crash: {slots}, from {first} on",
        file.display()
    )]
    Lost {
        /// The file of the segment.
        file: PathBuf,
        /// Bytes from the start of the file to the first lost slot.
        offset: u64,
        /// The number of lost slots.
        slots: usize,
        /// The first lost slot.
        first: MessageId,
    },
}

/// Deletes dedicated segments that were never completed, and flags without a segment; returns the
/// highest segment number in the folder.
pub(crate) fn prepare(folder: &Path) -> Result<u32, OpenError> {
    let segments = layout::segments_folder(folder);
    let failed = |e| OpenError::new(&segments, e);
    let mut highest = 0;
    for entry in std::fs::read_dir(&segments).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        let part = name.strip_suffix(".part").map(|stem| format!("{stem}.seg"));
        let number = layout::segment_number(part.as_deref().unwrap_or(name));
        highest = highest.max(number.unwrap_or(0));
        let is_stale_flags = name.strip_suffix(".flags").is_some_and(|stem| {
            let segment = format!("{stem}.seg");
            layout::segment_number(&segment).is_some() && !segments.join(segment).exists()
        });
        if (part.is_some() && number.is_some()) || is_stale_flags {
            let path = segments.join(name);
            std::fs::remove_file(&path).map_err(|e| OpenError::new(path, e))?;
        }
    }
    Ok(highest)
}

/// Checks every segment and seals the open ones. Returns the segments that still have to be
/// flushed.
pub(crate) fn recover(folder: &Path, boot: BootId) -> Result<(Recovery, Vec<SyncJob>), OpenError> {
    let failed = |e| OpenError::new(layout::segments_folder(folder), e);
    let mut recovery = Recovery::default();
    let mut jobs = Vec::new();
    for (number, path) in layout::segment_files(folder).map_err(failed)? {
        match Segment::open_in(&path, boot) {
            Ok(segment) => {
                let job = recover_segment(&segment, boot, &mut recovery)
                    .map_err(|e| OpenError::new(&path, e))?;
                jobs.extend(job);
            }
            // A copy of a segment file, which `reclaim` has left alone.
            Err(SegmentError::Spare { .. }) => {}
            Err(SegmentError::Io { cause, .. }) if is_denied(&cause) => {
                return Err(OpenError::new(path, cause));
            }
            Err(e) => {
                tracing::warn!(segment = number, error = %e, "a segment cannot be read");
                recovery.damaged.push(e.into());
            }
        }
    }
    Ok((recovery, jobs))
}

fn is_denied(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::PermissionDenied
}

/// Seals one segment if necessary. Returns a job if it must be flushed.
fn recover_segment(
    segment: &Segment,
    boot: BootId,
    recovery: &mut Recovery,
) -> io::Result<Option<SyncJob>> {
    let words = disk::read_live(segment.file().file())?;
    // The state of a segment may be missing although its counts match their checksum.
    let is_left_open = segment.is_live() || words.state() == Some(State::Open);
    let found = match segment.found() {
        Some(found) => Some(found.clone()),
        None if is_left_open => Some(left_open(segment, &words)),
        None => None,
    };
    settle(segment, &words, found, boot, recovery)
}

/// Acts on what was found in a segment: `None` if its live page is right.
fn settle(
    segment: &Segment,
    words: &LiveWords,
    found: Option<ScanResult>,
    boot: BootId,
    recovery: &mut Recovery,
) -> io::Result<Option<SyncJob>> {
    if let Some(cause) = found.as_ref().and_then(|found| found.unread.clone()) {
        // It may be mail: the file stays as it is, and the next start tries again.
        let (file, cause) = (segment.path().to_owned(), io::Error::other(cause));
        tracing::warn!(segment = segment.number(), error = %cause, "a segment cannot be read");
        recovery.damaged.push(SegmentError::Io { file, cause }.into());
        return Ok(None);
    }
    if found.as_ref().is_some_and(|found| found.words.published().slots == 0)
        && words.published().slots == 0
        && segment.only_counted() == 0
        && segment.fault().is_none()
    {
        // Prepared but never used: neither a slot nor a count.
        std::fs::remove_file(segment.path())?;
        return Ok(None);
    }
    let totals = match &found {
        Some(found) => found.words.totals(),
        None => words.totals(),
    };
    let published = found.as_ref().map_or(words.published(), |found| found.words.published());
    let only_counted = segment.only_counted();
    recovery.damaged.extend(segment.fault().map(RecoveryDamage::from));
    let disk_bytes = disk::bytes_of(&segment.file().file().metadata()?);
    let sealed = Sealed::new(disk_bytes, segment.identity(), published, only_counted, &totals);
    recovery.sealed_segments.insert(segment.number(), sealed);
    recovery.segments += 1;
    recovery.messages += u64::from(published.messages.saturating_sub(totals.lost_messages));
    if let Some(found) = &found {
        write_recovered(segment, found)?;
        recovery.sealed_now += 1;
        recovery.damaged.extend(lost_slots(segment, found));
    } else if words.is_synced(segment.seed()) {
        return Ok(None);
    }
    // A segment of another boot is flushed at once, so that no reader has to scan it again.
    let is_same_boot = boot.is_known() && segment.identity().boot == boot;
    let wait = if is_same_boot { SYNC_AFTER } else { Duration::ZERO };
    let (number, path) = (segment.number(), segment.path().to_owned());
    Ok(Some(SyncJob::Segment { number, path, due: Instant::now() + wait }))
}

/// Returns the content of an open segment. No checksum covers its counts, so if a valid slot
/// follows the published ones, the count is wrong (or the writer was killed in between), and
/// recovery tries every slot. It also does so before it treats a segment as empty, because it
/// deletes empty segments.
fn left_open(segment: &Segment, words: &LiveWords) -> ScanResult {
    let published = segment.published().slots;
    if published == 0 || segment.file().is_valid_at(published).unwrap_or(true) {
        let found = scan(segment.file(), Extent::Everything, words);
        let slots = found.words.published().slots;
        if slots > published {
            let number = segment.number();
            tracing::info!(
                segment = number,
                published,
                slots,
                "recovered slots beyond the published count"
            );
        }
        return found;
    }
    scan(segment.file(), Extent::Published(published), words)
}

fn lost_slots(segment: &Segment, found: &ScanResult) -> Option<RecoveryDamage> {
    let slot = *found.lost.first()?;
    Some(RecoveryDamage::Lost {
        file: segment.path().to_owned(),
        offset: slot_at(segment.identity().segment_bytes, slot)?,
        slots: found.lost.len(),
        first: MessageId { segment: segment.number(), slot },
    })
}

/// Writes the result to the file: zeros lost slots, then seals the live page.
fn write_recovered(segment: &Segment, found: &ScanResult) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(segment.path())?;
    for index in &found.lost {
        if let Some(at) = slot_at(segment.identity().segment_bytes, *index) {
            file.write_all_at(&[0; SLOT_BYTES as usize], at)?;
        }
    }
    let mut words = found.words;
    words.0[SYNCED_WORD] = 0;
    disk::write_live(&file, &words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Keep, Log, LogSettings, Retention};

    /// Creates a sealed segment whose messages were only counted.
    fn counted(folder: &Path) {
        let (log, _) = Log::open(folder, LogSettings::default()).unwrap();
        let mut writer = log.writer(Box::new(|| ())).unwrap();
        let _ = writer.count_only();
        writer.close();
        log.close();
    }

    #[test]
    fn a_segment_that_the_system_could_not_read_is_neither_deleted_nor_changed() {
        let dir = tempfile::tempdir().unwrap();
        counted(dir.path());
        let path = layout::segment_path(dir.path(), 1);
        let before = std::fs::read(&path).unwrap();
        let boot = crate::log::files::boot::current_boot();
        let segment = Segment::open_in(&path, boot).unwrap();
        let words = disk::read_live(segment.file().file()).unwrap();
        let mut found = scan(segment.file(), Extent::Everything, &words);
        found.lost = vec![0];
        found.unread = Some(std::sync::Arc::new(io::Error::other("injected")));
        let mut recovery = Recovery::default();
        let job = settle(&segment, &words, Some(found), boot, &mut recovery).unwrap();
        assert!(job.is_none() && recovery.sealed_segments.len() == 0);
        let damaged: Vec<String> = recovery.damaged.iter().map(|one| one.to_string()).collect();
        assert_eq!(damaged, [format!("{}: injected", path.display())]);
        assert!(std::fs::read(&path).unwrap() == before);
    }

    #[test]
    fn a_segment_without_slots_has_the_same_age_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        counted(dir.path());
        let (mut recovery, _) =
            recover(dir.path(), crate::log::files::boot::current_boot()).unwrap();
        let recovered = recovery.sealed_segments.remove(1).unwrap();
        let file = std::fs::File::open(layout::segment_path(dir.path(), 1)).unwrap();
        let (words, identity) =
            (disk::read_live(&file).unwrap(), disk::identity_of(&file).unwrap());
        let sealed = Sealed::new(0, &identity, words.published(), 1, &words.totals());
        assert_eq!((sealed.only_counted, recovered.only_counted), (1, 1));
        assert_eq!(sealed.last_received_at_ns, identity.created_at_ns);
        assert_eq!(sealed.last_received_at_ns, recovered.last_received_at_ns);
    }

    #[test]
    fn a_segment_without_slots_is_as_old_as_its_file_to_prune() {
        let dir = tempfile::tempdir().unwrap();
        counted(dir.path());
        let prune = |age| {
            let retention = Retention { age: Some(age), ..Retention::default() };
            let keep = Keep { retention, without_removed: false };
            crate::log::prunable(dir.path(), &keep).unwrap().len()
        };
        assert_eq!((prune(Duration::ZERO), prune(Duration::from_secs(3600))), (1, 0));
    }
}
