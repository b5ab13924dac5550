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
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::id_set::IdSet;
use super::resume_error::ResumeError;
use super::sent_before::SentBefore;
use crate::log::MessageId;

const FIRST_LINE: &str = "sinkd-replay 1";
const BEGUN: &str = "begun_ns";
const HEADER_END: &str = "--";
/// Maximum length of a line in octets. A line names up to 64 messages, or the remaining recipients
/// of one message.
const LINE_BYTES_MAX: usize = 16 << 20;

/// The replay that a resume file belongs to: names, and values that must be the same again.
pub type Belongs = Vec<(&'static str, String)>;

/// An open resume file.
#[derive(Debug)]
pub struct Resume {
    file: File,
    path: PathBuf,
    started_ns: u64,
    /// The header of a new file. It is written with the first line, so a replay that never began
    /// leaves no settings that the next one must match.
    header: Option<String>,
    line: Vec<u8>,
}

impl Resume {
    /// Opens or creates the file, and returns what was sent before. Reads the file once.
    ///
    /// `belongs` has the values that must be the same as when the file was created. `now_ns` is
    /// Unix time.
    pub fn open(
        path: &Path,
        belongs: &Belongs,
        now_ns: u64,
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

    /// Returns when the recorded replay began, in Unix ns.
    pub fn started_ns(&self) -> u64 {
        self.started_ns
    }

    fn io(&self, source: io::Error) -> ResumeError {
        ResumeError::Io { path: self.path.clone(), source }
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
        self.started_ns = started_ns.ok_or_else(|| self.foreign())?;
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
    pub fn announce(&mut self, ids: &IdSet) -> Result<(), ResumeError> {
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
    pub fn flush(&mut self) -> Result<(), ResumeError> {
        if self.line.is_empty() {
            return Ok(());
        }
        if let Some(header) = self.header.take() {
            self.write_header(&header).map_err(|e| self.io(e))?;
        }
        let written = self.file.write_all(&self.line);
        written.map_err(|e| self.io(e))?;
        self.line.clear();
        Ok(())
    }

    /// Writes the lines since the last flush; they then survive a power loss.
    pub fn sync(&mut self) -> Result<(), ResumeError> {
        self.flush()?;
        self.file.sync_data().map_err(|e| self.io(e))
    }
}

fn header(started_ns: u64, belongs: &Belongs) -> String {
    let mut header = format!("{FIRST_LINE}\n{BEGUN}: {started_ns}\n");
    for (name, value) in belongs {
        header.push_str(&format!("{name}: {}\n", value.escape_debug()));
    }
    header + HEADER_END + "\n"
}

enum ResumeLine {
    Whole(String),
    /// The end of the file: its last text, which has no line end.
    Cut(String),
}

/// Reads the next line. A line that is not text, or longer than any line of a resume file, is
/// invalid.
fn next_line(reader: &mut impl BufRead) -> io::Result<ResumeLine> {
    let mut line = Vec::new();
    let mut limited = io::Read::take(&mut *reader, LINE_BYTES_MAX as u64);
    limited.read_until(b'\n', &mut line)?;
    let is_whole = line.pop_if(|last| *last == b'\n').is_some();
    let text = String::from_utf8_lossy(&line).into_owned();
    Ok(if is_whole || line.len() >= LINE_BYTES_MAX {
        ResumeLine::Whole(text)
    } else {
        ResumeLine::Cut(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::replay::id_set::parse_range;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn belongs() -> Belongs {
        vec![("store", "00ff".into()), ("query", "a\n\"b\"".into())]
    }

    fn open(path: &Path) -> Result<(Resume, SentBefore), ResumeError> {
        Resume::open(path, &belongs(), 7)
    }

    fn set(text: &str) -> IdSet {
        let mut set = IdSet::default();
        for (segment, slots) in text.split_whitespace().map(|part| parse_range(part).unwrap()) {
            set.insert_range(segment, slots);
        }
        set
    }

    fn id(text: &str) -> MessageId {
        text.parse().unwrap()
    }

    const HEADER: &str = "sinkd-replay 1\nbegun_ns: 7\nstore: 00ff\nquery: a\\n\\\"b\\\"\n--\n";

    #[test]
    fn what_was_said_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resume");
        let (mut resume, before) = open(&path).unwrap();
        assert_eq!(before, SentBefore::default());
        assert!(matches!(open(&path), Err(ResumeError::InUse(_))));
        resume.announce(&set("1:0-9 2:5")).unwrap();
        resume.done(&set("1:0-3 1:8"));
        resume.not_sent(&set("1:4"));
        resume.partly(id("1:5"), &[0, 3]);
        resume.unknown(id("1:6"), &[1]);
        resume.flush().unwrap();
        resume.done(&set("1:7")); // killed before it was flushed
        drop(resume);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = "g 1:0-9 2:5\nd 1:0-3 1:8\nn 1:4\np 1:5 0,3\nu 1:6 1\n";
        assert_eq!(text, format!("{HEADER}{lines}"));
        let (mut resume, before) = Resume::open(&path, &belongs(), 9).unwrap();
        assert_eq!(resume.started_ns(), 7);
        assert_eq!(before.done, set("1:0-3 1:8"));
        assert_eq!(before.unknown, set("1:6 1:7 1:9 2:5"));
        let remaining = BTreeMap::from([(id("1:5"), [0, 3].into()), (id("1:6"), [1].into())]);
        assert_eq!(before.remaining, remaining);
        // The second replay sends the rest.
        resume.announce(&set("1:4-7 1:9 2:5")).unwrap();
        resume.done(&set("1:4-7 1:9 2:5"));
        resume.sync().unwrap();
        drop(resume);
        let (_, before) = open(&path).unwrap();
        assert_eq!(before, SentBefore { done: set("1:0-9 2:5"), ..SentBefore::default() });
    }

    #[test]
    fn another_replay_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resume");
        drop(open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "", "nothing was begun");
        open(&path).unwrap().0.announce(&set("1:0")).unwrap();
        let other = vec![("store", "00ff".into()), ("query", "b".into())];
        let error = Resume::open(&path, &other, 7).unwrap_err().to_string();
        assert!(error.contains(r#"'query' is 'a\n\"b\"'; here it is 'b'"#), "{error}");
        for (content, expected) in [
            ("", None),
            ("sinkd-rep", None), // cut while it was made: nothing was sent yet
            ("sinkd-replay 1\nbegun_ns: 7\nsto", None),
            ("important\n", Some("not a resume file")),
            ("important", Some("not a resume file")),
            ("sinkd-replay 2\nbegun_ns: 7\nstore: 00ff\nquery: x\n--\n", Some("not a resume file")),
            ("a\nb\nc\nd\ne\nf\n", Some("not a resume file")),
        ] {
            std::fs::write(&path, content).unwrap();
            let opened = open(&path).and_then(|(mut resume, _)| resume.announce(&set("1:0")));
            let text = std::fs::read_to_string(&path).unwrap();
            match (opened.err().map(|e| e.to_string()), expected) {
                (None, None) => assert_eq!(text, format!("{HEADER}g 1:0\n")),
                (Some(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
                (error, _) => panic!("{content:?}: {error:?}"),
            }
        }
    }

    /// A pipe would make the replay wait, and a device stores nothing.
    #[test]
    fn only_regular_files_are_resume_files() {
        let error = open(Path::new("/dev/null")).unwrap_err().to_string();
        assert_eq!(error, "/dev/null: not a resume file; choose another file");
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        assert!(matches!(open(&pipe), Err(ResumeError::Foreign(_))));
    }

    #[track_caller]
    fn check(lines: &str, expected: Result<&str, usize>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resume");
        std::fs::write(&path, format!("{HEADER}{lines}")).unwrap();
        match (open(&path), expected) {
            (Ok((_, before)), Ok(done)) => assert_eq!(before.done, set(done), "{lines:?}"),
            (Err(ResumeError::Damaged { line, .. }), Err(at)) => assert_eq!(line, at, "{lines:?}"),
            (got, _) => panic!("{lines:?}: {got:?}"),
        }
    }

    #[test]
    fn a_torn_end_counts_for_nothing() {
        check("", Ok(""));
        check("d 1:0-1", Ok(""));
        check("d 1:0\nd 1:1", Ok("1:0"));
        check("d 1:0\n\0\0\0\0", Ok("1:0"));
        check("d 1:0\nd 1:\nx\n", Ok("1:0")); // after a power loss
        check("d 1:0\nx\nd 1:1\n", Err(7));
        check("x 1:0\nd 1:1\n", Err(6));
        check("d  1:0\ng 1:0\n", Err(6));
        check("p 1:0\ng 1:0\n", Err(6));
        check("p 1:0 a\ng 1:0\n", Err(6));
    }

    proptest! {
        /// A file that is cut off anywhere names no more outcomes than were written, and forgets no
        /// message that was announced.
        #[test]
        fn it_is_safe_to_cut(
            steps in prop::collection::vec((0u8..4, 0u32..20), 1..40),
            cut in 0usize..400,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("resume");
            let (mut resume, _) = open(&path).unwrap();
            for (what, slot) in &steps {
                let one = set(&format!("1:{slot}"));
                match what {
                    0 => resume.announce(&one).unwrap(),
                    1 => resume.done(&one),
                    2 => resume.not_sent(&one),
                    _ => resume.unknown(MessageId { segment: 1, slot: *slot }, &[0]),
                }
                resume.flush().unwrap();
            }
            drop(resume);
            let text = std::fs::read_to_string(&path).unwrap();
            let end = (HEADER.len() + cut).min(text.len());
            std::fs::write(&path, &text[..end]).unwrap();
            let whole = text[HEADER.len()..end].matches('\n').count();
            let [mut done, mut announced, mut unknown] = [const { BTreeSet::new() }; 3];
            for (what, slot) in &steps[..whole] {
                let id = MessageId { segment: 1, slot: *slot };
                match what {
                    0 => drop(announced.insert(id)),
                    _ => drop(announced.remove(&id)),
                }
                match what {
                    1 => {
                        done.insert(id);
                        unknown.remove(&id);
                    }
                    3 => drop(unknown.insert(id)),
                    _ => {}
                }
            }
            let (_, before) = open(&path).unwrap();
            prop_assert_eq!(before.done.iter().collect::<BTreeSet<_>>(), done);
            unknown.append(&mut announced);
            prop_assert_eq!(before.unknown.iter().collect::<BTreeSet<_>>(), unknown);
        }
    }
}
