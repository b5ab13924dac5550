//! The list, as it is read: a person sees how far it is, and may stop it.
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::base::progress::TerminalBar;

/// A list that is being read.
pub struct ListInput {
    input: Box<dyn Read>,
    bar: TerminalBar,
    done: u64,
    stop: Arc<AtomicBool>,
}

impl ListInput {
    /// Opens a file; `-` is standard input.
    ///
    /// Errors: it can't be opened.
    pub fn open(path: &Path, stop: &Arc<AtomicBool>) -> anyhow::Result<ListInput> {
        let (input, bytes): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let cannot = || format!("{}: cannot be read", path.display());
            let file = File::open(path).with_context(cannot)?;
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            (Box::new(file), bytes)
        };
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
