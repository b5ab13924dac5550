//! What a log held, in numbers.
use std::collections::BTreeMap;
use std::fmt;

use super::unpacked::Compression;

/// Who wrote a line, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Postfix, by syslog or in its own file.
    Postfix,
    /// The main log of Exim.
    Exim,
    /// Haraka.
    Haraka,
    /// JSON lines of KumoMTA.
    KumoMta,
    /// An accounting file of PowerMTA.
    PowerMta,
    /// Any other text.
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

/// What a log held. Each line is one with an id, a bad one or one without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTotals {
    /// How the file is compressed.
    pub compression: Compression,
    /// Lines, with the last one even if it has no line end.
    pub lines: u64,
    /// Bytes of text, after decompression.
    pub bytes: u64,
    /// Lines that claim a delivery by an id.
    pub lines_with_id: u64,
    /// Lines that were reported as bad.
    pub bad_lines: u64,
    /// Deliveries by the format of their lines; formats without any are absent.
    pub deliveries: BTreeMap<Format, u64>,
    /// The last line has no end, or the last compressed frame is not whole: the log was cut, or
    /// its sender still writes it.
    pub is_cut: bool,
}

impl LogTotals {
    /// Returns the number of lines that claim no delivery by an id.
    pub fn lines_without_id(&self) -> u64 {
        self.lines - self.lines_with_id - self.bad_lines
    }
}
