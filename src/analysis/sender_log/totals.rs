//! Figures about a log.
use std::collections::BTreeMap;
use std::fmt;

use super::unpacked::Compression;

/// The program that wrote a line, judging by its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Postfix, by syslog or in its own file.
    Postfix,
    /// Exim, in its main log.
    Exim,
    /// Haraka, in the log formats `default` and `logfmt`.
    Haraka,
    /// KumoMTA, in JSON lines.
    KumoMta,
    /// PowerMTA, in an accounting file.
    PowerMta,
    /// Any other program, judged by the reply alone.
    Text,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Postfix => "Postfix",
            Format::Exim => "Exim",
            Format::Haraka => "Haraka",
            Format::KumoMta => "KumoMTA",
            Format::PowerMta => "PowerMTA",
            Format::Text => "text",
        })
    }
}

/// Figures about a log. Each line has an id, has none, or is unusable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTotals {
    /// How the file is compressed.
    pub compression: Compression,
    /// The number of lines, including a last line without a line end.
    pub lines: u64,
    /// The size of the text in bytes, after decompression.
    pub bytes: u64,
    /// Lines that claim a delivery and name an id.
    pub lines_with_id: u64,
    /// Lines that can't be used, and may claim a delivery.
    pub bad_lines: u64,
    /// The number of claimed deliveries by format; formats without any are absent.
    pub deliveries: BTreeMap<Format, u64>,
    /// Whether the last line has no end, or the last compressed frame is incomplete: the log was
    /// cut off, or its sender is still writing it.
    pub is_cut: bool,
}

impl LogTotals {
    /// Returns the number of lines that claim no delivery with an id; most lines of a log are of
    /// this kind.
    pub fn lines_without_id(&self) -> u64 {
        self.lines - self.lines_with_id - self.bad_lines
    }
}
