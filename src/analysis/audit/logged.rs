//! Reads logs of senders: one record for each claimed delivery.
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::address::{AddressFolding, push_path};
use super::delivery::number;
use crate::analysis::sender_log::{BadLine, LogError, LogEvent, LoggedDelivery, read};
use crate::analysis::sorting::{SortRecord, Sorter};
use crate::time::UnixNs;

/// Maximum number of unusable lines that are reported individually.
const FAULTS_LISTED_MAX: usize = 20;

/// Counts of lines, over all logs of the sender.
#[derive(Debug, Default)]
pub struct LogsRead {
    /// Lines of all logs together, usable or not.
    pub lines: u64,
    /// Lines that claim a delivery and name an id.
    pub lines_with_id: u64,
    /// Lines that can't be used, and may claim a delivery.
    pub bad_lines: u64,
    /// The first 20 unusable lines: position of the log, and line.
    pub faults: Vec<(usize, BadLine)>,
    /// Positions of logs that were cut off.
    pub cut: Vec<usize>,
}

/// Why logs are unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggedError {
    /// A log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A temporary file can't be made or written.
    #[error("cannot write temporary data; set TMPDIR to a folder with free space")]
    Sort(#[source] io::Error),
}

/// A delivery that a log claims, decoded from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Unix time; `None` if the line has none.
    pub at_ns: Option<UnixNs>,
    /// The position of the log in the list of logs.
    pub log: u16,
    /// The line in the log, from 1.
    pub line: u64,
    /// The name of the sink; empty if the line has none.
    pub sink: Vec<u8>,
}

impl Claimed {
    fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.log.to_be_bytes());
        out.extend_from_slice(&self.line.to_be_bytes());
        out.extend_from_slice(&self.at_ns.unwrap_or(UnixNs::LAST).get().to_be_bytes());
        out.extend_from_slice(&self.sink);
    }

    /// Decodes the value of a record that [`read_logs`] made.
    pub fn decode(value: &[u8]) -> Claimed {
        let eight = |at: usize| {
            u64::from_be_bytes(value[at..at + 8].try_into().expect("eight octets are there"))
        };
        Claimed {
            at_ns: Some(UnixNs::new(eight(10))).filter(|at| *at != UnixNs::LAST),
            log: u16::from_be_bytes([value[0], value[1]]),
            line: eight(2),
            sink: value[18..].to_vec(),
        }
    }
}

/// Reads all logs into `sorted`: by id, then by recipient (empty if a line names none). `watch`
/// gets the number of octets read so far.
///
/// Takes about 1 µs per line. Errors: a log can't be read, or a temporary file can't be written.
pub fn read_logs(
    logs: &[PathBuf],
    folding: AddressFolding,
    sorted: &mut Sorter,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(u64),
) -> Result<LogsRead, LoggedError> {
    let (mut all, mut bytes_before) = (LogsRead::default(), 0);
    let (mut address, mut value) = (Vec::new(), Vec::new());
    for (n, path) in logs.iter().enumerate() {
        let (mut failed, mut bytes) = (None, 0);
        let mut push = |delivery: LoggedDelivery<'_>| {
            address.clear();
            let recipient = delivery.recipient.unwrap_or_default();
            push_path(recipient, folding, &mut address);
            let claimed = Claimed {
                at_ns: delivery.at_ns,
                log: u16::try_from(n).expect("command lines hold fewer logs"),
                line: delivery.line,
                sink: delivery.sink.unwrap_or_default().as_bytes().to_vec(),
            };
            claimed.encode(&mut value);
            let order = number(delivery.id);
            sorted.push(SortRecord { order, key: &address, value: &value })
        };
        let totals = read(path, &mut |event| {
            match event {
                LogEvent::Delivery(delivery) => failed = push(delivery).err(),
                LogEvent::BadLine(bad) if all.faults.len() < FAULTS_LISTED_MAX => {
                    all.faults.push((n, bad));
                }
                LogEvent::BadLine(_) => {}
                LogEvent::Progress(done) => {
                    bytes = done;
                    watch(bytes_before + done);
                }
            }
            if failed.is_some() || stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if let Some(error) = failed {
            return Err(LoggedError::Sort(error));
        }
        bytes_before += bytes;
        all.lines += totals.lines;
        all.lines_with_id += totals.lines_with_id;
        all.bad_lines += totals.bad_lines;
        if totals.is_cut {
            all.cut.push(n);
        }
    }
    Ok(all)
}
