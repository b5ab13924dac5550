//! The resume file: records what was sent, so that an interrupted replay can continue.
//!
//! The file is text, to which whole lines are appended:
//!
//! ```text
//! sinkd-replay 1
//! begun_ns: 1795248000500000000
//! store: 00112233445566778899aabbccddeeff
//! ... what else it belongs to
//! --
//! g 17:0-255 18:0-9      may be sent from now on
//! d 17:0-254 18:0-9      done: the target has answered for every recipient, permanently
//! n 17:255               not sent, or deferred: all recipients that remained still remain
//! p 17:255 0,3           the recipients of this message at these positions remain
//! u 17:255 0             its end of data went out, and no reply came for these
//! ```
//!
//! A message that was announced but has no other line was in progress when the process was killed:
//! like `u`, it may have been accepted. A last line without a line end was being written at that
//! time, and is ignored.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::id_set::IdSet;
use super::resume_error::ResumeError;
use super::resume_line::{ResumeLine, next_line};
use super::sent_before::SentBefore;
use crate::log::MessageId;
use crate::sender::source::OutcomeFileError;
use crate::time::UnixNs;

const FIRST_LINE: &str = "sinkd-replay 1";
const BEGUN: &str = "begun_ns";
const HEADER_END: &str = "--";

/// The replay that a resume file belongs to: names, and values that must be the same again.
pub type Belongs = Vec<(&'static str, String)>;

/// An open resume file.
#[derive(Debug)]
pub struct Resume {
    file: File,
    path: PathBuf,
    started_ns: UnixNs,
    /// The header of a new file. It is written with the first line, so a replay that never began
    /// leaves no settings that the next one must match.
    header: Option<String>,
    line: Vec<u8>,
}

impl Resume {
    /// Opens or creates the file, and returns what was sent before. Reads the file once.
    ///
    /// `belongs` has the values that must be the same as when the file was created.
    pub fn open(
        path: &Path,
        belongs: &Belongs,
        now_ns: UnixNs,
    ) -> Result<(Resume, SentBefore), ResumeError> {
        let io = |source| ResumeError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(io)?;
        // Opening a pipe would wait forever, and a device stores nothing.
        if !file.metadata().map_err(io)?.is_file() {
            return Err(ResumeError::Foreign(path.to_owned()));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ResumeError::InUse(path.to_owned())),
            // On file systems without locks, only the user can prevent two writers.
            Err(TryLockError::Error(_)) => {}
        }
        let (path, line) = (path.to_owned(), Vec::new());
        let mut resume = Resume { file, path, started_ns: now_ns, header: None, line };
        let is_new = !resume.read_header(belongs)?;
        if is_new {
            resume.header = Some(header(now_ns, belongs));
            return Ok((resume, SentBefore::default()));
        }
        let before = resume.read_lines(belongs.len() + 3)?;
        Ok((resume, before))
    }

    /// Returns when the recorded replay began.
    pub fn started_ns(&self) -> UnixNs {
        self.started_ns
    }

    fn io(&self, source: io::Error) -> ResumeError {
        ResumeError::Io { path: self.path.clone(), source }
    }

    fn unwritten(&self, source: io::Error) -> OutcomeFileError {
        OutcomeFileError { path: self.path.clone(), source }
    }

    fn write_header(&mut self, header: &str) -> io::Result<()> {
        // A crash may have cut off a header written earlier.
        self.file.set_len(0)?;
        self.file.write_all(header.as_bytes())?;
        self.file.sync_all()
    }

    /// Reads the header. `false` if the file is new, or was cut off while its header was written.
    fn read_header(&mut self, belongs: &Belongs) -> Result<bool, ResumeError> {
        let mut lines = Vec::new();
        let mut reader = BufReader::new(&self.file);
        for _ in 0..belongs.len() + 3 {
            match next_line(&mut reader).map_err(|e| self.io(e))? {
                ResumeLine::Whole(line) => lines.push(line),
                // A partial header of ours may be rewritten, because nothing was sent yet.
                ResumeLine::Cut(rest) => {
                    let all = [lines, vec![rest]].concat().join("\n");
                    let is_ours = all.starts_with(FIRST_LINE) || FIRST_LINE.starts_with(&all);
                    return if is_ours { Ok(false) } else { Err(self.foreign()) };
                }
            }
        }
        let end = reader.stream_position().map_err(|e| self.io(e))?;
        let (name, started) = lines.get(1).and_then(|l| l.split_once(": ")).unwrap_or_default();
        let started_ns = started.parse().ok().filter(|_| name == BEGUN && lines[0] == FIRST_LINE);
        self.started_ns = started_ns.map(UnixNs::new).ok_or_else(|| self.foreign())?;
        for (line, (name, now)) in lines[2..].iter().zip(belongs) {
            let now = now.escape_debug().to_string();
            let then = line.split_once(": ").filter(|(n, _)| n == name).map(|(_, value)| value);
            if then != Some(&now) {
                return Err(ResumeError::Other {
                    path: self.path.clone(),
                    name: (*name).to_owned(),
                    then: format!("'{}'", then.unwrap_or("something unknown")),
                    now: format!("'{now}'"),
                });
            }
        }
        if lines.last().is_none_or(|line| line != HEADER_END) {
            return Err(self.foreign());
        }
        self.file.seek(SeekFrom::Start(end)).map_err(|e| self.io(e))?;
        Ok(true)
    }

    fn foreign(&self) -> ResumeError {
        ResumeError::Foreign(self.path.clone())
    }

    /// Reads the lines after the header, which has `header_lines` lines. Removes an incomplete last
    /// line that a crash has left.
    fn read_lines(&mut self, header_lines: usize) -> Result<SentBefore, ResumeError> {
        let (mut before, mut announced) = (SentBefore::default(), IdSet::default());
        let (mut number, mut bad) = (header_lines, None);
        let mut reader = BufReader::new(&self.file);
        let mut good_bytes = reader.stream_position().map_err(|e| self.io(e))?;
        loop {
            number += 1;
            match next_line(&mut reader).map_err(|e| self.io(e))? {
                ResumeLine::Whole(line) if before.apply_line(&line, &mut announced).is_some() => {
                    if let Some(line) = bad {
                        return Err(ResumeError::Damaged { path: self.path.clone(), line });
                    }
                    good_bytes += line.len() as u64 + 1;
                }
                // After a power loss, the end of the file may contain anything, but no valid line
                // may follow a bad one.
                ResumeLine::Whole(_) => bad = bad.or(Some(number)),
                ResumeLine::Cut(_) => break,
            }
        }
        self.file.set_len(good_bytes).map_err(|e| self.io(e))?;
        Ok(before.finish(&announced))
    }

    /// Announces messages that may be sent from now on, in one write.
    pub fn announce(&mut self, ids: &IdSet) -> Result<(), OutcomeFileError> {
        self.ids("g", ids);
        self.flush()
    }

    /// Records that nothing remains of these messages; written with the next flush.
    pub fn done(&mut self, ids: &IdSet) {
        self.ids("d", ids);
    }

    /// Records that all remaining recipients of these messages still remain; written with the next
    /// flush.
    pub fn not_sent(&mut self, ids: &IdSet) {
        self.ids("n", ids);
    }

    fn ids(&mut self, what: &str, ids: &IdSet) {
        if !ids.is_empty() {
            writeln!(self.line, "{what} {ids}").expect("writing into memory always works");
        }
    }

    /// Records that the recipients at these positions remain; written with the next flush.
    pub fn partly(&mut self, id: MessageId, positions: &[u32]) {
        self.one("p", id, positions);
    }

    /// Records that these recipients may have the message, or were deferred; written with the next
    /// flush.
    pub fn unknown(&mut self, id: MessageId, positions: &[u32]) {
        self.one("u", id, positions);
    }

    fn one(&mut self, what: &str, id: MessageId, positions: &[u32]) {
        let positions: Vec<String> = positions.iter().map(u32::to_string).collect();
        let positions = positions.join(",");
        writeln!(self.line, "{what} {id} {positions}").expect("writing into memory always works");
    }

    /// Writes the lines since the last flush; they then survive the end of this process.
    pub fn flush(&mut self) -> Result<(), OutcomeFileError> {
        if self.line.is_empty() {
            return Ok(());
        }
        if let Some(header) = self.header.take() {
            self.write_header(&header).map_err(|e| self.unwritten(e))?;
        }
        let written = self.file.write_all(&self.line);
        written.map_err(|e| self.unwritten(e))?;
        self.line.clear();
        Ok(())
    }

    /// Writes the lines since the last flush; they then survive a power loss.
    pub fn sync(&mut self) -> Result<(), OutcomeFileError> {
        self.flush()?;
        self.file.sync_data().map_err(|e| self.unwritten(e))
    }
}

fn header(started_ns: UnixNs, belongs: &Belongs) -> String {
    let mut header = format!("{FIRST_LINE}\n{BEGUN}: {}\n", started_ns.get());
    for (name, value) in belongs {
        header.push_str(&format!("{name}: {}\n", value.escape_debug()));
    }
    header + HEADER_END + "\n"
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
