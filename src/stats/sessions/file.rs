//! The file of batches that the hub appends to.
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// An open file of batches, which keeps the length of its whole batches to undo a partial write.
#[derive(Debug)]
pub(crate) struct BatchFile {
    file: File,
    whole_bytes: u64,
}

impl BatchFile {
    /// Opens the file to append to it, or creates it. Whatever it ends with stays: readers skip a
    /// batch that was cut off.
    pub fn open(path: &Path) -> io::Result<BatchFile> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        let whole_bytes = file.seek(SeekFrom::End(0))?;
        Ok(BatchFile { file, whole_bytes })
    }

    /// Returns the length up to the end of the last batch, for [`BatchFile::truncate`].
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Appends whole batches. After an error, what was written is removed if possible.
    pub fn append(&mut self, batches: &[u8]) -> io::Result<()> {
        let before = self.whole_bytes;
        self.file.write_all(batches).inspect_err(|_| self.truncate(before))?;
        self.whole_bytes = self.file.metadata()?.len();
        Ok(())
    }

    /// Removes everything after the first `bytes` octets. If that fails, readers find the next
    /// batch by its first octets.
    pub fn truncate(&mut self, bytes: u64) {
        match self.file.set_len(bytes) {
            Ok(()) => self.whole_bytes = bytes,
            Err(error) => {
                tracing::debug!(%error, "part of a batch of connections could not be removed")
            }
        }
    }
}
