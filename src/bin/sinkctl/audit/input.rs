//! Reads the list, with a progress bar, until the user interrupts it.
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use flate2::read::MultiGzDecoder;

use crate::base::progress::TerminalBar;

/// A list that is being read.
pub struct ListInput {
    input: Box<dyn Read>,
    bar: TerminalBar,
    done: u64,
    stop: Arc<AtomicBool>,
}

impl ListInput {
    /// Opens a file, plain or compressed by gzip; `-` is standard input.
    ///
    /// Errors: it can't be read, or it is a spreadsheet or archive.
    pub fn open(path: &Path, stop: &Arc<AtomicBool>) -> anyhow::Result<ListInput> {
        let cannot = || format!("{}: cannot be read", path.display());
        let (mut input, bytes): (Box<dyn BufRead>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let file = File::open(path).with_context(cannot)?;
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            (Box::new(BufReader::new(file)), bytes)
        };
        let begin = input.fill_buf().with_context(cannot)?;
        if begin.starts_with(b"PK\x03\x04") {
            anyhow::bail!("{}: a spreadsheet or archive: export it as CSV", path.display());
        }
        let is_gzip = begin.starts_with(b"\x1f\x8b");
        // The uncompressed size of a list is unknown.
        let (input, bytes): (Box<dyn Read>, u64) =
            if is_gzip { (Box::new(MultiGzDecoder::new(input)), 0) } else { (input, bytes) };
        let bar = TerminalBar::new(bytes, "bytes of the list");
        Ok(ListInput { input, bar, done: 0, stop: stop.clone() })
    }
}

impl Read for ListInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        let bytes = self.input.read(buffer)?;
        self.done += bytes as u64;
        self.bar.at(self.done);
        Ok(bytes)
    }
}
