//! The folder's `store` file: its permanent ID, the next segment number, and how often the folder
//! was opened.
//!
//! Two text lines of fixed width are written alternately in place, each with its own checksum: if a
//! write is cut short, the other line remains. The valid line with the highest (starts, next)
//! counts.
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::OpenError;
use crate::log::format::{StoreId, crc};

/// The content of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreState {
    pub id: StoreId,
    /// Every segment number used so far is lower than this.
    pub next: u32,
    /// How often the folder was opened for writing.
    pub starts: u32,
}

/// The `store` file, open for writing.
#[derive(Debug)]
pub(crate) struct StoreFile {
    file: File,
    path: PathBuf,
    pub state: StoreState,
    /// Index of the line to write next.
    line: u64,
}

/// Length of a line, including the line feed.
const LINE_BYTES: usize = 97;

impl StoreState {
    /// Returns the line: `sinkd-store 1 id=… next=… starts=… crc=…`.
    fn encode(&self) -> String {
        let id: String = self.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let text =
            format!("sinkd-store 1 id={id} next={:010} starts={:010}", self.next, self.starts);
        let line = format!("{text} crc={:08x}\n", crc(text.as_bytes()));
        assert!(line.len() == LINE_BYTES, "a line has one width");
        line
    }

    /// Parses a line of any octets. Returns `None` if it is not valid.
    fn decode(line: &[u8]) -> Option<StoreState> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let (text, check) = line.rsplit_once(" crc=")?;
        if u32::from_str_radix(check, 16).ok()? != crc(text.as_bytes()) {
            return None;
        }
        let rest = text.strip_prefix("sinkd-store 1 id=")?;
        let (id, rest) = rest.split_once(" next=")?;
        let (next, starts) = rest.split_once(" starts=")?;
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(id.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(StoreState {
            id: StoreId(bytes),
            next: next.parse().ok()?,
            starts: starts.parse().ok()?,
        })
    }

    /// Returns the valid line that counts, and its index.
    fn newest(bytes: &[u8]) -> Option<(StoreState, u64)> {
        let lines = bytes.chunks(LINE_BYTES).zip(0..2);
        lines
            .filter_map(|(line, i)| StoreState::decode(line).map(|state| (state, i)))
            .max_by_key(|(state, _)| (state.starts, state.next))
    }
}

impl StoreFile {
    /// Opens or creates the file, and counts this start. The folder must be locked.
    ///
    /// `highest` is the highest segment number in the folder: after a power loss, the file may be
    /// older than that. Errors: `Store` if the file has no valid line, unless it is empty, or all
    /// zeros in a folder without segments.
    pub(crate) fn open(
        folder: &Path,
        highest: u32,
        fresh: StoreId,
    ) -> Result<StoreFile, OpenError> {
        let path = folder.join("store");
        let mut options = disk::private();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|e| OpenError::new(&path, e))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| OpenError::new(&path, e))?;
        let (state, line) = match StoreState::newest(&bytes) {
            Some((state, line)) => (state, 1 - line),
            None if bytes.is_empty() || (highest == 0 && bytes.iter().all(|b| *b == 0)) => {
                (StoreState { id: fresh, next: 1, starts: 0 }, 0)
            }
            None => return Err(OpenError::Store { file: path }),
        };
        let mut store = StoreFile { file, path, state, line };
        store.state.next = state.next.max(highest.saturating_add(1));
        store.state.starts += 1;
        store
            .write()
            .and_then(|()| store.file.sync_all())
            .map_err(|e| OpenError::new(&store.path, e))?;
        Ok(store)
    }

    /// Returns the ID of the store in `folder`; `None`: the file is missing, or has no valid line.
    pub(crate) fn id_of(folder: &Path) -> io::Result<Option<StoreId>> {
        match std::fs::read(folder.join("store")) {
            Ok(bytes) => Ok(StoreState::newest(&bytes).map(|(state, _)| state.id)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Returns the next segment number, and never returns it again.
    pub(crate) fn take_number(&mut self) -> io::Result<u32> {
        let number = self.state.next;
        self.state.next = number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        self.write()?;
        Ok(number)
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(self.state.encode().as_bytes(), self.line * LINE_BYTES as u64)?;
        self.line = 1 - self.line;
        Ok(())
    }

    /// Returns another handle, for the sync thread.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(next: u32, starts: u32) -> StoreState {
        StoreState { id: StoreId([0xab; 16]), next, starts }
    }

    #[test]
    fn the_newest_valid_line_counts() {
        let (old, new) = (state(5, 1).encode(), state(4, 2).encode());
        let both = |a: &str, b: &str| StoreState::newest(format!("{a}{b}").as_bytes());
        assert_eq!(both(&old, &new), Some((state(4, 2), 1)));
        assert_eq!(both(&new, &old), Some((state(4, 2), 0)));
        assert_eq!(both(&old, &new[..90]), Some((state(5, 1), 0)));
        assert_eq!(
            both(&old.replace("starts=0000000001", "starts=0000000009"), &new).unwrap().1,
            1
        );
        assert_eq!(StoreState::newest(b""), None);
        assert_eq!(StoreState::newest(&[0xff; 300]), None);
    }

    #[test]
    fn a_torn_line_leaves_the_other_valid() {
        let (old, new) = (state(5, 1).encode(), state(6, 1).encode());
        for cut in 0..LINE_BYTES - 1 {
            let line = [&new.as_bytes()[..cut], &state(4, 1).encode().as_bytes()[cut..]].concat();
            let bytes = [old.as_bytes(), &line].concat();
            let (found, _) = StoreState::newest(&bytes).unwrap();
            assert!(found == state(5, 1) || found == state(6, 1), "cut at {cut}");
        }
    }
}
