//! The metrics of the process, named as in Prometheus' client libraries.
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::{MetricKind, MetricText};

/// Appends the metrics of the process, except for those that the system doesn't provide: systems
/// other than Linux lack several.
pub(super) fn write(text: &mut MetricText, started: SystemTime) {
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let help = "Start of the process, Unix time.";
    text.single("process_start_time_seconds", MetricKind::Gauge, help, started);
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let help = "Processor time spent, by all threads, in user and system mode.";
    text.single("process_cpu_seconds_total", MetricKind::Counter, help, cpu);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kib) = field(&status, "VmRSS:") {
        let help = "Resident memory; the log's mapped segments are part of it.";
        text.single("process_resident_memory_bytes", MetricKind::Gauge, help, kib << 10);
    }
    if let Some(kib) = field(&status, "VmSize:") {
        let help = "Virtual memory.";
        text.single("process_virtual_memory_bytes", MetricKind::Gauge, help, kib << 10);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        // One descriptor belongs to the listing itself.
        let open = entries.count().saturating_sub(1);
        text.single("process_open_fds", MetricKind::Gauge, "Open file descriptors.", open);
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        let help = "Limit on open file descriptors.";
        text.single("process_max_fds", MetricKind::Gauge, help, max);
    }
    if let Some(threads) = field(&status, "Threads:") {
        text.single("process_threads", MetricKind::Gauge, "Threads.", threads);
    }
}

/// Returns the first number in a field of `/proc/self/status` (proc_pid_status(5)); `None` if the
/// field is missing.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let status = "Name:\tsinkd\nVmRSS:\t   1234 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(1234));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSize:"), None);
        assert_eq!(field(status, "Name:"), None);
    }
}
