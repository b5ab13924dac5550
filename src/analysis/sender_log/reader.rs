//! Reads a log from its first line to its last.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::claim::{Claim, Reading, Recipients};
use super::event::{BadLine, LogEvent, LoggedDelivery};
use super::failure::LogError;
use super::lines::{Line, Lines};
use super::powermta::Accounting;
use super::reason::Reason;
use super::totals::{Format, LogTotals};
use super::unpacked::{Unpacked, Unread};
use super::{answer, exim, free, haraka, kumomta, postfix};

/// Bytes of the file between two tellings of the progress.
const PROGRESS_BYTES: u64 = 4 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Who is told what a log holds; reading stops at `Break`.
pub(super) type Listener<'a> = dyn FnMut(LogEvent<'_>) -> ControlFlow<()> + 'a;

/// Reads the log `path` and tells `on` what its lines hold, in their order; `Break` ends reading,
/// and the totals are those so far.
///
/// A log that is cut is no error: it is read as far as it goes. Costs one pass over the file, and
/// memory for one line (and the window of zstd), whatever the file holds.
///
/// Errors: the file cannot be opened, is in a form that is not read, or is damaged; what was told
/// before a damage holds.
pub fn read(
    path: &Path,
    on: &mut dyn FnMut(LogEvent<'_>) -> ControlFlow<()>,
) -> Result<LogTotals, LogError> {
    let at_open = |source| LogError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(at_open)?;
    let unpacked = Unpacked::new(file)
        .map_err(at_open)?
        .map_err(|Unread(form, advice)| LogError::Form { path: path.to_owned(), form, advice })?;
    let mut log = Log::new(unpacked);
    match log.read(on) {
        Ok(()) => Ok(log.totals()),
        Err(source) => {
            let line = log.line + 1;
            Err(LogError::Read { path: path.to_owned(), line, source })
        }
    }
}

/// A log that is read.
pub(super) struct Log<S> {
    lines: Lines<Unpacked<S>>,
    /// Number of the line that was read last.
    pub line: u64,
    lines_with_id: u64,
    bad_lines: u64,
    deliveries: BTreeMap<Format, u64>,
    is_last_line_open: bool,
    accounting: Accounting,
}

impl<S: Read> Log<S> {
    pub fn new(unpacked: Unpacked<S>) -> Log<S> {
        Log {
            lines: Lines::new(unpacked),
            line: 0,
            lines_with_id: 0,
            bad_lines: 0,
            deliveries: BTreeMap::new(),
            is_last_line_open: false,
            accounting: Accounting::default(),
        }
    }

    /// Reads all lines, or until `on` breaks off.
    pub fn read(&mut self, on: &mut Listener<'_>) -> io::Result<()> {
        let mut told_bytes = 0;
        loop {
            let file_bytes = self.lines.source.file_bytes();
            if file_bytes - told_bytes >= PROGRESS_BYTES {
                told_bytes = file_bytes;
                if on(LogEvent::Progress(file_bytes)).is_break() {
                    return Ok(());
                }
            }
            let Some(line) = self.lines.next()? else { return Ok(()) };
            self.line += 1;
            let number = self.line;
            let (text, is_open) = match line {
                Line::Whole(text) => (text, false),
                Line::Open(text) => (text, true),
                Line::TooLong => {
                    self.bad_lines += 1;
                    let bad = BadLine { line: number, reason: Reason::TooLong };
                    if on(LogEvent::BadLine(bad)).is_break() {
                        return Ok(());
                    }
                    continue;
                }
            };
            self.is_last_line_open = is_open;
            let (format, reading) = recognize(&mut self.accounting, trimmed(number, text));
            let told = match reading {
                Reading::Foreign | Reading::Nothing => continue,
                Reading::Claim(claim) if is_open && claim.is_at_end => {
                    self.bad_lines += 1;
                    on(LogEvent::BadLine(BadLine { line: number, reason: Reason::Cut }))
                }
                Reading::Bad(reason) => {
                    self.bad_lines += 1;
                    on(LogEvent::BadLine(BadLine { line: number, reason }))
                }
                Reading::Claim(claim) => {
                    self.lines_with_id += 1;
                    let count = self.deliveries.entry(format).or_default();
                    tell(number, &claim, count, on)
                }
            };
            if told.is_break() {
                return Ok(());
            }
        }
    }

    pub fn totals(&self) -> LogTotals {
        LogTotals {
            compression: self.lines.source.compression(),
            lines: self.line,
            bytes: self.lines.bytes,
            lines_with_id: self.lines_with_id,
            bad_lines: self.bad_lines,
            deliveries: self.deliveries.clone(),
            is_cut: self.is_last_line_open || self.lines.source.is_cut(),
        }
    }

    /// Returns the memory that lines take.
    pub fn buffer_bytes(&self) -> usize {
        self.lines.buffer_bytes()
    }
}

/// A line without the mark of UTF-8, and without the NULs that a log begins with after it was
/// copied and truncated while its writer went on.
fn trimmed(number: u64, line: &[u8]) -> &[u8] {
    let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    let nuls = line.iter().take_while(|octet| **octet == 0).count();
    &line[nuls..]
}

/// Asks each format whether the line is its own.
fn recognize<'a>(accounting: &mut Accounting, line: &'a [u8]) -> (Format, Reading<'a>) {
    accounting.follow(line);
    if !answer::is_possible(line) {
        return (Format::Text, Reading::Nothing);
    }
    let formats: [(Format, &mut dyn FnMut(&'a [u8]) -> Reading<'a>); 6] = [
        (Format::Postfix, &mut postfix::read),
        (Format::Exim, &mut exim::read),
        (Format::KumoMta, &mut kumomta::read),
        (Format::Haraka, &mut haraka::read),
        (Format::PowerMta, &mut |line| accounting.read(line)),
        (Format::Text, &mut free::read),
    ];
    for (format, read) in formats {
        let reading = read(line);
        if !matches!(reading, Reading::Foreign) {
            return (format, reading);
        }
    }
    (Format::Text, Reading::Nothing)
}

/// Tells each delivery that a line claims, and counts it.
fn tell(line: u64, claim: &Claim<'_>, count: &mut u64, on: &mut Listener<'_>) -> ControlFlow<()> {
    let mut one = |recipient: Option<&[u8]>| {
        *count += 1;
        let (id, sink, at_ns) = (claim.id, claim.sink.as_deref(), claim.at_ns);
        on(LogEvent::Delivery(LoggedDelivery { line, id, sink, recipient, at_ns }))
    };
    let recipients = match &claim.recipients {
        Recipients::Unnamed => return one(None),
        Recipients::One(recipient) => std::slice::from_ref(recipient),
        Recipients::Several(recipients) => recipients,
    };
    recipients.iter().map(Cow::as_ref).map(Some).try_for_each(&mut one)
}
