//! Settings of the log: sizes, limits, and when it flushes.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::files::disk;
use super::files::flush_call::FlushCall;
use super::format::BootId;
use super::upkeep::retention::Retention;

/// Which failures a committed message survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process for any reason, because the page cache belongs to the kernel.
    #[default]
    Process,
    /// Also a power loss, except for messages committed within the last interval.
    Interval(Duration),
    /// Also a power loss: a commit is acknowledged only after a flush that covers it.
    Message,
}

/// How much space is left on a disk.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// An upper limit, whatever the file system reports.
    #[doc(hidden)]
    pub at_most: Option<Arc<AtomicU64>>,
}

impl Space {
    /// Returns the number of bytes left for the files of `folder`.
    pub(crate) fn left(&self, folder: &Path) -> io::Result<u64> {
        let left = disk::space_left(folder)?;
        // Relaxed: the number publishes no other data.
        let at_most = self.at_most.as_ref().map_or(u64::MAX, |most| most.load(Ordering::Relaxed));
        Ok(left.min(at_most))
    }
}

/// The layout and the limits of the log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Size of a worker's first segment. Each further one is twice as large, up to
    /// `segment_bytes_max`. A segment is larger if one record needs it, and smaller, down to this
    /// size, if the disk is nearly full.
    pub segment_bytes_first: u64,
    /// Maximum size to which segments grow.
    pub segment_bytes_max: u64,
    /// Reservations larger than this get a dedicated segment.
    pub dedicated_segment_bytes_over: u64,
    /// Maximum number of dedicated segments open at once, per worker.
    pub dedicated_segments_max: usize,
    /// Maximum total size of open regions, per worker.
    pub region_bytes_max: u64,
    /// What retention keeps.
    pub retention: Retention,
    /// Which failures a commit survives.
    pub durability: Durability,
    /// How files are flushed. Tests use this to make flushes slow, to make them fail, and to count
    /// them.
    #[doc(hidden)]
    pub flush: FlushCall,
    /// How much space the disk has left. Tests use this to fill a disk.
    #[doc(hidden)]
    pub space: Space,
    /// Replaces the machine's boot ID. Tests use this to simulate a reboot.
    #[doc(hidden)]
    pub boot: Option<BootId>,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            segment_bytes_first: 4 << 20,
            segment_bytes_max: 64 << 20,
            dedicated_segment_bytes_over: 4 << 20,
            dedicated_segments_max: 16,
            region_bytes_max: 64 << 20,
            retention: Retention::default(),
            durability: Durability::Process,
            flush: FlushCall::default(),
            space: Space::default(),
            boot: None,
        }
    }
}
