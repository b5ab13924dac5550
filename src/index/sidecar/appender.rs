//! Appends to a sidecar: one process at a time, from where the previous one stopped.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::log::SegmentIdentity;

use super::file::Sidecar;
use super::format::{
    BLOCK_HEADER_BYTES, BlockHeader, HEADER_BYTES, SidecarHeader, Unusable, VERSION,
};
use super::paths;

/// The sidecar of one segment, which this process may extend: it holds the lock on the file.
#[derive(Debug)]
pub struct Appender {
    file: File,
    seed: u32,
    at: u64,
    end_slot: u32,
    records: u64,
}

/// Why a sidecar can't be appended to.
#[derive(Debug, thiserror::Error)]
pub enum NoAppender {
    /// Another process is writing it.
    #[error("another process writes it")]
    Busy,
    /// A newer sinkd wrote it, so it is left alone.
    #[error("it was written by a newer sinkd (version {0}, this one knows {VERSION})")]
    Newer(u32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Appender {
    /// Opens the sidecar of a segment at the end of its valid part; creates one if there is none
    /// that can be used. Costs a read of the whole file.
    pub fn open(
        data: &Path,
        identity: &SegmentIdentity,
        sequence_field: Option<&str>,
    ) -> Result<Appender, NoAppender> {
        let path = paths::path(data, identity.number);
        let mut file = open(&path)?;
        lock(&file)?;
        if !is_at(&file, &path)? {
            // Another process has replaced the file.
            return Err(NoAppender::Busy);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (header, length) =
            (SidecarHeader::for_segment(identity, sequence_field), bytes.len() as u64);
        match Sidecar::parse(bytes, identity) {
            Ok(known) if *known.header() == header => {
                let at = known.sound_bytes();
                if at < length {
                    // Truncated, because octets after a gap would be trusted again once the gap is
                    // filled.
                    file.set_len(at)?;
                }
                let (end_slot, records) = (known.end_slot(), known.records());
                Ok(Appender { file, seed: header.seed(), at, end_slot, records })
            }
            Err(Unusable::Version(version)) if version > VERSION => Err(NoAppender::Newer(version)),
            Ok(_) | Err(_) => {
                file.set_len(0)?;
                Ok(Appender::begin(file, &header)?)
            }
        }
    }

    fn begin(file: File, header: &SidecarHeader) -> io::Result<Appender> {
        file.write_all_at(&header.encode(), 0)?;
        let (at, seed) = (HEADER_BYTES as u64, header.seed());
        Ok(Appender { file, seed, at, end_slot: 0, records: 0 })
    }

    /// Returns the slot from which the next block must begin: the blocks before it cover all lower
    /// ones.
    pub fn end_slot(&self) -> u32 {
        self.end_slot
    }

    /// Returns the number of records in all blocks, from earlier processes too. Slots without a
    /// message have none.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns the offset, in octets, at which the next block begins.
    pub fn bytes(&self) -> u64 {
        self.at
    }

    /// Returns the seed that [`BlockBuilder::finish`](super::block::BlockBuilder::finish) needs for
    /// blocks of this sidecar.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// Appends a block that covers the slots from [`Appender::end_slot`] up to `end_slot`, which is
    /// not included. Costs one write. Errors: the write failed; then the block does not count.
    pub fn append(&mut self, block: &[u8], end_slot: u32, records: u32) -> io::Result<()> {
        self.file.write_all_at(block, self.at)?;
        self.at += block.len() as u64;
        self.end_slot = end_slot;
        self.records += u64::from(records);
        Ok(())
    }

    /// Marks the sidecar as complete: the segment is sealed, and all of its messages are in the
    /// index.
    pub fn complete(&mut self) -> io::Result<()> {
        let mut end = [0; BLOCK_HEADER_BYTES];
        BlockHeader::end(self.end_slot).encode(&mut end, self.seed);
        self.append(&end, self.end_slot, 0)
    }

    /// Releases the lock until it is needed again.
    pub fn release(self) -> IdleAppender {
        let is_free = self.file.unlock().is_ok();
        IdleAppender { appender: is_free.then_some(self) }
    }
}

/// An appender that does not hold the lock, because there is nothing to append.
#[derive(Debug)]
pub struct IdleAppender {
    appender: Option<Appender>,
}

impl IdleAppender {
    /// Takes the lock again. Returns `None` if another process holds it, or has changed the file
    /// meanwhile. Costs four system calls.
    pub fn resume(self, data: &Path, number: u32) -> Option<Appender> {
        let appender = self.appender?;
        lock(&appender.file).ok()?;
        let is_ours = is_at(&appender.file, &paths::path(data, number)).ok()?
            && appender.file.metadata().ok()?.len() == appender.at;
        is_ours.then_some(appender)
    }
}

/// A new sidecar under a temporary name, which replaces the old one when it is complete.
pub struct Replacement {
    appender: Appender,
    beside: PathBuf,
    path: PathBuf,
}

impl Replacement {
    pub fn begin(
        data: &Path,
        identity: &SegmentIdentity,
        sequence_field: Option<&str>,
    ) -> io::Result<Self> {
        let path = paths::path(data, identity.number);
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let appender = Appender::begin(
            File::options().read(true).write(true).create(true).truncate(true).open(&beside)?,
            &SidecarHeader::for_segment(identity, sequence_field),
        )?;
        Ok(Replacement { appender, beside, path })
    }

    pub fn appender(&mut self) -> &mut Appender {
        &mut self.appender
    }

    /// Replaces the old sidecar. Waits for a process that is writing it, such as a parser thread
    /// until the end of its turn. No process writes while `finish` adds the records that have
    /// arrived meanwhile; otherwise the old sidecar could be completed, and then be replaced by an
    /// incomplete one.
    pub fn put_in_place<T>(
        mut self,
        finish: impl FnOnce(&mut Appender) -> io::Result<T>,
    ) -> io::Result<T> {
        let _held = hold(&self.path)?;
        let finished = finish(&mut self.appender)?;
        fs::rename(&self.beside, &self.path)?;
        Ok(finished)
    }
}

/// Opens a sidecar, or creates an empty one, together with the folder of sidecars.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    match options.open(path) {
        // The whole index was deleted.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().expect("it lies in the folder of sidecars"))?;
            options.open(path)
        }
        opened => opened,
    }
}

/// Opens the file at `path` and waits for its lock; creates an empty sidecar if there is none.
fn hold(path: &Path) -> io::Result<File> {
    loop {
        let file = open(path)?;
        file.lock()?;
        if is_at(&file, path)? {
            return Ok(file);
        }
    }
}

fn lock(file: &File) -> Result<(), NoAppender> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => NoAppender::Busy,
        TryLockError::Error(error) => NoAppender::Io(error),
    })
}

/// Returns whether `path` still names `file`, and not a replacement with another inode.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let found = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    let ours = file.metadata()?;
    Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino()))
}
