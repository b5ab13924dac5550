//! How large the log makes things, and when it flushes them.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::files::disk;
use super::files::flush_call::FlushCall;
use super::format::BootId;
use super::upkeep::retention::Retention;

/// What a committed message survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The process ending for any reason: the page cache belongs to the kernel.
    #[default]
    Process,
    /// A power loss too, except for messages committed within the last interval.
    Interval(Duration),
    /// A power loss: a commit is acknowledged only after a flush that covers it.
    Message,
}

/// How much of a disk is left.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// The upper bound, whatever the file system says.
    #[doc(hidden)]
    pub at_most: Option<Arc<AtomicU64>>,
}

impl Space {
    /// Bytes left for the files of `folder`.
    pub(crate) fn left(&self, folder: &Path) -> io::Result<u64> {
        let left = disk::space_left(folder)?;
        // Relaxed: a number, and nothing beside it.
        let at_most = self.at_most.as_ref().map_or(u64::MAX, |most| most.load(Ordering::Relaxed));
        Ok(left.min(at_most))
    }
}

/// How the log is laid out and bounded. The defaults are DESIGN's, each with its reason there.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Bytes of a worker's first segment; each next is twice that, up to `segment_bytes_max`. A
    /// segment is made larger than this when one record needs it, and smaller down to the first
    /// when the disk is nearly full.
    pub segment_bytes_first: u64,
    /// Bytes of the largest segment to which `segment_bytes_first` grows.
    pub segment_bytes_max: u64,
    /// Reservations larger than this get an own segment.
    pub own_segment_bytes_over: u64,
    /// Own segments open at once, per worker.
    pub own_segments_max: usize,
    /// Bytes of open regions per worker.
    pub region_bytes_max: u64,
    /// What may stay.
    pub retention: Retention,
    /// What a commit survives.
    pub durability: Durability,
    /// How a file is flushed: tests make flushes slow, fail and count with it.
    #[doc(hidden)]
    pub flush: FlushCall,
    /// What the disk has left: tests fill one up with it.
    #[doc(hidden)]
    pub space: Space,
    /// Takes this for the machine's boot id: tests make a restart of the machine with it.
    #[doc(hidden)]
    pub boot: Option<BootId>,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            segment_bytes_first: 4 << 20,
            segment_bytes_max: 64 << 20,
            own_segment_bytes_over: 4 << 20,
            own_segments_max: 16,
            region_bytes_max: 64 << 20,
            retention: Retention::default(),
            durability: Durability::Process,
            flush: FlushCall::default(),
            space: Space::default(),
            boot: None,
        }
    }
}
