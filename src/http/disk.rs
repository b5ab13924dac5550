//! Metrics of the file system of the data folder.
use std::path::Path;

use super::text::{MetricKind, MetricText};

/// Appends the metrics; none if the folder can't be queried, such as after its removal. Takes one
/// system call.
pub(super) fn write(text: &mut MetricText, folder: &Path) {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return };
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let help = "Space that sinkd may still use on the file system of the data folder.";
    text.single("sinkd_disk_available_bytes", MetricKind::Gauge, help, bytes(stat.f_bavail));
    let help = "Size of the file system of the data folder.";
    text.single("sinkd_disk_size_bytes", MetricKind::Gauge, help, bytes(stat.f_blocks));
}
