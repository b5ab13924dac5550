//! The machine's boot ID. While it is unchanged, the page cache has survived, so that writes which
//! were not flushed can still be read.
use crate::log::format::BootId;

/// Returns the machine's boot ID. It is zero if the system has none (macOS, a chroot without
/// /proc). Then every boot counts as a different one, and counts that were not flushed are not
/// trusted.
pub(crate) fn current_boot() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    BootId(id)
}
