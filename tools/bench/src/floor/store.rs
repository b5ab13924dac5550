//! Stores: where input is received, and what is kept of it.
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::options::{Options, StoreKind};
use super::segment::{SegmentFiles, Segments};

/// Free bytes of a segment below which input goes to the next one.
const ROOM_BYTES_MIN: usize = 64 << 10;
/// Bytes that a round of the event loop can collect before they are written.
const BATCH_BYTES: usize = 4 << 20;

/// Each method is called for every receive, so that a store is an enum, not a trait object.
pub enum Store {
    /// Input is received where it stays.
    Mapped(Mapped),
    /// Input is received into `buffer`, and payload is copied.
    Copied { buffer: Vec<u8>, ring: Mapped },
    /// Input is received into `buffer`, and payload is written with one call for each receive.
    Written { buffer: Vec<u8>, log: Log },
    /// Payload of a whole round of the event loop is collected and written with one call.
    Batched { buffer: Vec<u8>, collected_bytes: usize, log: Log },
    /// Nothing is kept.
    Discarded { buffer: Vec<u8> },
}

/// Whether a round had something to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Nothing,
    Payload,
}

impl Store {
    pub fn new(options: &Options) -> io::Result<Store> {
        let files = SegmentFiles {
            folder: options.folder.clone(),
            bytes: options.segment_bytes,
            files: options.files,
        };
        let buffer = || vec![0; options.receive_bytes];
        Ok(match options.store {
            StoreKind::Ring => Store::Mapped(Mapped::new(Segments::ring(&files)?)),
            StoreKind::Append => {
                Store::Mapped(Mapped::new(Segments::appended(files, options.prefault)?))
            }
            StoreKind::Copy => {
                Store::Copied { buffer: buffer(), ring: Mapped::new(Segments::ring(&files)?) }
            }
            StoreKind::Pwrite => Store::Written { buffer: buffer(), log: Log::new(files)? },
            StoreKind::Batch => {
                let buffer = vec![0; BATCH_BYTES.max(options.receive_bytes)];
                Store::Batched { buffer, collected_bytes: 0, log: Log::new(files)? }
            }
            StoreKind::Discard => Store::Discarded { buffer: buffer() },
        })
    }

    /// Returns where to receive the next input: up to `bytes`, and less only at the end of a
    /// segment.
    #[inline]
    pub fn target(&mut self, bytes: usize) -> io::Result<&mut [u8]> {
        Ok(match self {
            Store::Mapped(mapped) => mapped.target(bytes)?,
            Store::Batched { buffer, collected_bytes, log } => {
                if buffer.len() - *collected_bytes < bytes {
                    log.write(&buffer[..std::mem::take(collected_bytes)])?;
                }
                &mut buffer[*collected_bytes..*collected_bytes + bytes]
            }
            Store::Copied { buffer, .. }
            | Store::Written { buffer, .. }
            | Store::Discarded { buffer } => &mut buffer[..bytes],
        })
    }

    /// Keeps the first `bytes` of the last target: they have payload.
    #[inline]
    pub fn keep(&mut self, bytes: usize) -> io::Result<()> {
        match self {
            Store::Mapped(mapped) => mapped.end += bytes,
            Store::Copied { buffer, ring } => ring.append(&buffer[..bytes])?,
            Store::Written { buffer, log } => log.write(&buffer[..bytes])?,
            Store::Batched { collected_bytes, .. } => *collected_bytes += bytes,
            Store::Discarded { .. } => {}
        }
        Ok(())
    }

    /// Writes what a round has collected.
    pub fn commit(&mut self) -> io::Result<Committed> {
        match self {
            Store::Batched { buffer, collected_bytes, log } if *collected_bytes > 0 => {
                log.write(&buffer[..std::mem::take(collected_bytes)])?;
                Ok(Committed::Payload)
            }
            _ => Ok(Committed::Nothing),
        }
    }
}

/// Mapped segments, written from the beginning to the end.
pub struct Mapped {
    segments: Segments,
    /// Bytes of the current segment that are kept.
    end: usize,
}

impl Mapped {
    fn new(segments: Segments) -> Mapped {
        Mapped { segments, end: 0 }
    }

    #[inline]
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.segments.bytes() - self.end < bytes {
            self.segments.replace()?;
            self.end = 0;
        }
        Ok(())
    }

    #[inline]
    fn target(&mut self, bytes: usize) -> io::Result<&mut [u8]> {
        self.make_room(ROOM_BYTES_MIN)?;
        let bytes = bytes.min(self.segments.bytes() - self.end);
        Ok(&mut self.segments.octets()[self.end..self.end + bytes])
    }

    #[inline]
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.make_room(octets.len())?;
        let end = self.end + octets.len();
        self.segments.octets()[self.end..end].copy_from_slice(octets);
        self.end = end;
        Ok(())
    }
}

/// A file that is written by pwrite; after `bytes` of `files`, another one. Its name is always
/// gone, which bounds the use of the disk.
pub struct Log {
    files: SegmentFiles,
    file: File,
    end: usize,
}

impl Log {
    fn new(files: SegmentFiles) -> io::Result<Log> {
        let file = Log::create(&files)?;
        Ok(Log { files, file, end: 0 })
    }

    #[cold]
    fn create(files: &SegmentFiles) -> io::Result<File> {
        let file = files.create("log")?;
        files.unlink("log")?;
        Ok(file)
    }

    #[inline]
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.end + octets.len() > self.files.bytes {
            self.file = Log::create(&self.files)?;
            self.end = 0;
        }
        self.file.write_all_at(octets, self.end as u64)?;
        self.end += octets.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::parse;
    use super::*;

    /// Receives `count` times 8 KiB into a store with segments of 128 KiB, and keeps all.
    fn fill(store: &str, count: usize) -> Store {
        let name = format!("floor-{}-{}", std::process::id(), store.replace(' ', ""));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder in the temporary folder");
        let line = format!("--dir {} --store {store} --rbuf 8192", folder.display());
        let mut options = parse(line.split(' ').map(str::to_owned)).expect("right options");
        options.segment_bytes = 128 << 10;
        let mut store = Store::new(&options).expect("a store");
        for number in 0..count {
            let target = store.target(8192).expect("room");
            assert_eq!(target.len(), 8192);
            target.fill(number as u8);
            store.keep(8192).expect("room");
        }
        // A thread can still be creating a segment.
        let _ = std::fs::remove_dir_all(&folder);
        store
    }

    #[test]
    fn input_follows_input_and_continues_in_the_next_segment() {
        for prefault in ["none", "inline", "thread", "recycle"] {
            // A segment of 16 receives is replaced when less than 64 KiB is free.
            let mut store = fill(&format!("append --prefault {prefault}"), 200);
            let Store::Mapped(mapped) = &mut store else { panic!("{prefault}") };
            let receives = mapped.end / 8192;
            let octets = mapped.segments.octets();
            for receive in 0..receives {
                let expected = (200 - receives + receive) as u8;
                assert!(octets[receive * 8192..][..8192].iter().all(|&octet| octet == expected));
            }
        }
    }

    #[test]
    fn a_batch_is_written_by_commit() {
        let mut store = fill("batch", 3);
        assert_eq!(store.commit().expect("room"), Committed::Payload);
        assert_eq!(store.commit().expect("room"), Committed::Nothing);
        let Store::Batched { log, .. } = &store else { panic!("a batch") };
        let mut content = vec![9; 3 * 8192];
        log.file.read_exact_at(&mut content, 0).expect("what was written");
        let receives = content.chunks(8192).map(|receive| receive[0]);
        assert_eq!(receives.collect::<Vec<u8>>(), [0, 1, 2]);
    }
}
