//! Parts of the statistics that can't be read.
use std::path::{Path, PathBuf};

/// A part of the statistics that can't be read. The rest of its file is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsDamage {
    /// A line can't be read.
    #[error("{}:{line}: {fault}", file.display())]
    Line {
        /// The file of counters or values.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong.
        fault: LineFault,
    },
    /// A line that was added to a file since the last look can't be read. Its number is unknown.
    #[error("{}: {fault}", file.display())]
    NewLine {
        /// The file of counters or values.
        file: PathBuf,
        /// What is wrong.
        fault: LineFault,
    },
    /// The roll-up of an hour is cut off. Nothing is lost: the seconds have the same values.
    #[error("{}: cut short; the seconds of the hour were read", file.display())]
    CutHour {
        /// The file of the hour.
        file: PathBuf,
    },
    /// Parts of a file belong to no batch of connections.
    #[error("{}: {bytes} bytes in it hold no records of connections", file.display())]
    NoBatch {
        /// The file of connections.
        file: PathBuf,
        /// The length of these parts together.
        bytes: u64,
    },
    /// The batch of connection records of one second has a wrong checksum.
    #[error(
        "{}: wrong checksum of the connection records of one second, at byte {at}",
        file.display()
    )]
    Batch {
        /// The file of connections.
        file: PathBuf,
        /// Bytes from the start of the file to the batch.
        at: u64,
    },
}

/// What is wrong with a line of counters or values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// It is not a line of counters.
    #[error("not a line of counters")]
    Counters,
    /// A number exceeds what any machine counts in a second.
    #[error("a number too large for a second")]
    Implausible,
    /// The second does not belong to the hour of the file.
    #[error("a second of another hour")]
    OtherHour,
    /// It is not a line of an interval log.
    #[error("not a line of an interval log")]
    Interval,
    /// The values are not encoded as base64.
    #[error("not base64")]
    Base64,
    /// The values are not a histogram.
    #[error("not a histogram")]
    Histogram,
    /// A value exceeds the maximum of its metric.
    #[error("values beyond the metric's bound")]
    BeyondBound,
}

impl StatsDamage {
    /// Returns the damage of a line; `index` is the number of the line, from 0.
    pub(in crate::stats) fn line(file: &Path, index: usize, fault: LineFault) -> StatsDamage {
        StatsDamage::Line { file: file.to_owned(), line: index + 1, fault }
    }
}
