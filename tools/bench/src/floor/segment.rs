//! Segments: files of a fixed size, created, mapped, and used again.
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use rustix::fs::FallocateFlags;
use sinkd_bench::system::Mapping;

use super::options::{Files, Prefault};

/// Segments that are created before the oldest one is used again.
const SEGMENTS_BEFORE_RECYCLING: u64 = 6;

/// How the files of segments are created.
#[derive(Debug, Clone)]
pub struct SegmentFiles {
    pub folder: PathBuf,
    pub bytes: usize,
    pub files: Files,
}

impl SegmentFiles {
    /// Creates the file `name` with all its blocks allocated.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let path = self.folder.join(name);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes as u64)?;
        Ok(file)
    }

    /// Removes the name of a file that is in use.
    pub fn unlink(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    /// Creates a segment and maps it; with `Files::Unlinked`, its name is gone afterwards.
    fn map(&self, name: &str, pages: Pages) -> io::Result<Mapping> {
        let file = self.create(name)?;
        let mut mapping = Mapping::new(&file, self.bytes)?;
        if pages == Pages::Populated {
            mapping.populate()?;
        }
        if self.files == Files::Unlinked {
            self.unlink(name)?;
        }
        Ok(mapping)
    }

    /// Maps the segment that a ring consists of. Its file stays.
    fn map_ring(&self) -> io::Result<Mapping> {
        let kept = SegmentFiles { files: Files::Kept, ..self.clone() };
        kept.map("ring", Pages::Populated)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    Absent,
    Populated,
}

/// The segment that is written, and where the next one comes from.
pub struct Segments {
    current: Mapping,
    succession: Succession,
}

enum Succession {
    /// The same segment again: a ring.
    Same,
    /// A new one, which the event loop creates.
    New { files: SegmentFiles, pages: Pages, number: u64 },
    /// One that a thread has prepared. The thread gets the old ones.
    Prepared { ready: Receiver<io::Result<Mapping>>, used: Sender<Mapping> },
}

impl Segments {
    /// One segment, populated, to be written over and over.
    pub fn ring(files: &SegmentFiles) -> io::Result<Segments> {
        Ok(Segments { current: files.map_ring()?, succession: Succession::Same })
    }

    /// Segments that are written once, or again when all of a few were written.
    pub fn appended(files: SegmentFiles, prefault: Prefault) -> io::Result<Segments> {
        let pages = match prefault {
            Prefault::None => Pages::Absent,
            Prefault::Inline => Pages::Populated,
            Prefault::Thread => return Segments::prepared(files, Used::Unmapped),
            Prefault::Recycle => return Segments::prepared(files, Used::Recycled),
        };
        let current = files.map("seg", pages)?;
        Ok(Segments { current, succession: Succession::New { files, pages, number: 0 } })
    }

    fn prepared(files: SegmentFiles, after_use: Used) -> io::Result<Segments> {
        let (ready_sender, ready) = mpsc::sync_channel(1);
        let (used, used_receiver) = mpsc::channel();
        let provider = Provider { files, after_use, ready: ready_sender, used: used_receiver };
        std::thread::spawn(move || provider.run());
        let current = next_of(&ready)?;
        Ok(Segments { current, succession: Succession::Prepared { ready, used } })
    }

    #[inline]
    pub fn bytes(&self) -> usize {
        self.current.len()
    }

    #[inline]
    pub fn octets(&mut self) -> &mut [u8] {
        self.current.octets()
    }

    /// Continues with the next segment, which can mean to wait for the thread that prepares it.
    #[cold]
    pub fn replace(&mut self) -> io::Result<()> {
        match &mut self.succession {
            Succession::Same => {}
            Succession::New { files, pages, number } => {
                *number += 1;
                self.current = files.map(&format!("seg{number}"), *pages)?;
            }
            Succession::Prepared { ready, used } => {
                let old = std::mem::replace(&mut self.current, next_of(ready)?);
                // If the thread has ended, the next call reports it.
                let _ = used.send(old);
            }
        }
        Ok(())
    }
}

/// Receives a segment from the thread that prepares them.
fn next_of(ready: &Receiver<io::Result<Mapping>>) -> io::Result<Mapping> {
    ready.recv().unwrap_or_else(|_| Err(io::Error::other("no thread prepares segments")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    Unmapped,
    Recycled,
}

/// The thread that prepares segments: one is ready while another is written.
struct Provider {
    files: SegmentFiles,
    after_use: Used,
    ready: SyncSender<io::Result<Mapping>>,
    used: Receiver<Mapping>,
}

impl Provider {
    /// Runs until the event loop ends, or no segment can be created.
    fn run(self) {
        for number in 0.. {
            let segment = match self.after_use {
                Used::Recycled if number >= SEGMENTS_BEFORE_RECYCLING => self.recycled(),
                _ => self.files.map(&format!("seg{number}"), Pages::Populated),
            };
            if self.ready.send(segment).is_err() {
                return;
            }
            if self.after_use == Used::Unmapped {
                self.used.try_iter().for_each(drop);
            }
        }
    }

    /// Waits for the oldest used segment and populates it again, as a log with bounded retention
    /// could.
    fn recycled(&self) -> io::Result<Mapping> {
        let mut oldest = self.used.recv().map_err(io::Error::other)?;
        // Pages that are not populated take their faults while they are written.
        let _ = oldest.populate();
        Ok(oldest)
    }
}
