//! `events.jsonl`: what happened to the folder beside the arrival of mail, a JSON object a line.
//!
//! Any process appends, under an exclusive flock on the file. A line that was cut (by a crash) or
//! that this version doesn't know is passed over. Lines about pruning by sinkd are folded into one
//! when the file has grown beyond [`FOLD_BYTES_OVER`], so a ring that turns for days stays small.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::pruned_sums::PrunedSums;

/// 256 KiB: some thousand lines, read in a millisecond.
const FOLD_BYTES_OVER: u64 = 256 << 10;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Retention, in a running sinkd.
    Sinkd,
    /// A person, or a script.
    Sinkctl,
}

/// What was dropped, with its segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Files.
    pub segments: u64,
    /// Messages that could be listed.
    pub messages: u64,
    /// True octets of all messages, whatever was stored of them.
    pub message_bytes: u64,
    /// Messages that were only counted.
    pub only_counted: u64,
    /// Number of the lowest segment, and of the highest.
    pub first: u32,
    /// See above.
    pub last: u32,
}

impl Dropped {
    /// Adds another lot.
    pub fn add(&mut self, other: &Dropped) {
        if other.segments == 0 {
            return;
        }
        let is_first = self.segments == 0;
        self.first = if is_first { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.segments += other.segments;
        self.messages += other.messages;
        self.message_bytes += other.message_bytes;
        self.only_counted += other.only_counted;
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    Pruned {
        /// Unix time, ns.
        at_ns: u64,
        by: By,
        #[serde(flatten)]
        dropped: Dropped,
    },
    /// A run begins; one that is under way ends.
    #[serde(rename = "run-started")]
    RunStarted {
        /// Unix time, ns.
        at_ns: u64,
        name: String,
    },
    #[serde(rename = "run-stopped")]
    RunStopped {
        /// Unix time, ns.
        at_ns: u64,
    },
    Mark {
        /// Unix time, ns.
        at_ns: u64,
        text: String,
    },
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

/// What was pruned from `folder` so far, by anybody. Costs one read of the file.
pub(crate) fn pruned_sums(folder: &Path) -> io::Result<PrunedSums> {
    let mut sums = PrunedSums::default();
    for event in all(folder)? {
        if let Event::Pruned { dropped, .. } = event {
            sums.add(&dropped);
        }
    }
    Ok(sums)
}

/// The file, locked: as long as this lives, nobody else writes to it.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    /// What was there when it was locked.
    pruned: Vec<Dropped>,
}

impl Lines {
    /// Waits for the lock, and reads what is there.
    pub(crate) fn lock(folder: &Path) -> io::Result<Lines> {
        let mut file = locked(folder)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let pruned = text.split(|octet| *octet == b'\n').filter_map(pruned_of).collect();
        Ok(Lines { file, pruned })
    }

    /// Does a line say that just this segment went, or a range without gaps around it?
    pub(crate) fn has_pruned(&self, number: u32) -> bool {
        let is_dense = |d: &Dropped| d.segments == u64::from(d.last.saturating_sub(d.first)) + 1;
        self.pruned.iter().any(|d| is_dense(d) && (d.first..=d.last).contains(&number))
    }

    /// Notes that segments are being dropped: to be called before the first of them goes.
    pub(crate) fn note(&mut self, by: By, dropped: &Dropped) -> io::Result<()> {
        append(&mut self.file, by, dropped)
    }
}

/// What a line says was pruned, if it is whole and about that.
fn pruned_of(line: &[u8]) -> Option<Dropped> {
    match serde_json::from_slice(line) {
        Ok(Event::Pruned { dropped, .. }) => Some(dropped),
        _ => None,
    }
}

/// Every line that this version knows, in the order they were written. Costs one read of the file.
pub(crate) fn all(folder: &Path) -> io::Result<Vec<Event>> {
    let text = match std::fs::read(path_of(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let lines = text.split(|octet| *octet == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Notes that segments are being dropped, before the first of them goes, if `is_there` holds once
/// the lock is taken: whoever held it may have dropped them.
pub(crate) fn note_pruned_if(
    folder: &Path,
    by: By,
    dropped: &Dropped,
    is_there: impl FnOnce() -> bool,
) -> io::Result<()> {
    let mut file = locked(folder)?;
    if !is_there() {
        return Ok(());
    }
    if by == By::Sinkd && file.metadata()?.len() > FOLD_BYTES_OVER {
        return fold(folder, file, dropped);
    }
    append(&mut file, by, dropped)
}

fn append(file: &mut File, by: By, dropped: &Dropped) -> io::Result<()> {
    append_event(file, &Event::Pruned { at_ns: now_ns(), by, dropped: *dropped })
}

/// Adds a line to the file, which is locked.
pub(crate) fn append_event(file: &mut File, event: &Event) -> io::Result<()> {
    let line = line(event)?;
    // A line that a crash cut must not swallow this one.
    let is_torn = file.seek(SeekFrom::End(0))? > 0 && last_octet(file)? != b'\n';
    file.write_all(if is_torn { [b"\n", &line[..]].concat() } else { line }.as_slice())
}

/// Makes one line of all that sinkd has pruned; the others stay as they are.
fn fold(folder: &Path, mut old: File, dropped: &Dropped) -> io::Result<()> {
    let mut text = Vec::new();
    old.seek(SeekFrom::Start(0))?;
    old.read_to_end(&mut text)?;
    let (mut all, mut rest) = (PrunedSums::default(), Vec::new());
    let range = |dropped: &Dropped| (dropped.first, dropped.last);
    for one in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(one) {
            // Said before a kill: the newest line says it again.
            Ok(Event::Pruned { by: By::Sinkd, dropped: told, .. })
                if range(&told) == range(dropped) => {}
            Ok(Event::Pruned { by: By::Sinkd, dropped, .. }) => all.add(&dropped),
            _ => rest.extend_from_slice(&[one, b"\n"].concat()),
        }
    }
    let folded = line(&Event::Pruned { at_ns: now_ns(), by: By::Sinkd, dropped: all.total() })?;
    // The newest stays a line of its own: its file may be there yet, and `Lines::has_pruned` asks.
    let newest = line(&Event::Pruned { at_ns: now_ns(), by: By::Sinkd, dropped: *dropped })?;
    let new = folder.join("events.jsonl.new");
    std::fs::write(&new, [folded, rest, newest].concat())?;
    // Whoever waits for the lock of the old file sees that it has lost its name.
    std::fs::rename(new, path_of(folder))
}

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

fn last_octet(file: &mut File) -> io::Result<u8> {
    let mut octet = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut octet)?;
    Ok(octet[0])
}

/// The file, created if need be, under its exclusive lock. Also taken by whoever changes flags: it
/// keeps those apart who write beside sinkd.
pub(crate) fn locked(folder: &Path) -> io::Result<File> {
    let path = path_of(folder);
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        file.lock()?;
        // Folded while we waited: another file bears the name now.
        if std::fs::metadata(&path).is_ok_and(|named| {
            file.metadata().is_ok_and(|ours| (named.dev(), named.ino()) == (ours.dev(), ours.ino()))
        }) {
            return Ok(file);
        }
    }
}

pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |t| t.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(folder: &Path) -> io::Result<Dropped> {
        Ok(pruned_sums(folder)?.total())
    }

    fn note_pruned(folder: &Path, by: By, dropped: &Dropped) -> io::Result<()> {
        note_pruned_if(folder, by, dropped, || true)
    }

    fn dropped(first: u32, last: u32, messages: u64) -> Dropped {
        let segments = u64::from(last - first + 1);
        Dropped { segments, messages, message_bytes: 10 * messages, only_counted: 1, first, last }
    }

    #[test]
    fn a_line_cut_anywhere_costs_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        note_pruned(dir.path(), By::Sinkd, &dropped(1, 2, 5)).unwrap();
        note_pruned(dir.path(), By::Sinkctl, &dropped(3, 3, 7)).unwrap();
        let whole = std::fs::read(path_of(dir.path())).unwrap();
        let first = whole.iter().position(|o| *o == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            std::fs::write(path_of(dir.path()), &whole[..cut]).unwrap();
            note_pruned(dir.path(), By::Sinkctl, &dropped(4, 4, 100)).unwrap();
            let messages = pruned(dir.path()).unwrap().messages;
            // Only the line feed is missing: the line is there.
            let expected = if cut + 1 == whole.len() { 112 } else { 105 };
            assert_eq!(messages, expected, "cut at {cut}");
        }
    }

    #[test]
    fn many_lines_are_folded_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = b"{\"event\":\"later\",\"x\":1}\nnot json\n";
        std::fs::write(path_of(dir.path()), foreign).unwrap();
        note_pruned(dir.path(), By::Sinkctl, &dropped(1, 1, 1)).unwrap();
        for n in 0..4000 {
            note_pruned(dir.path(), By::Sinkd, &dropped(n + 2, n + 2, 3)).unwrap();
        }
        let all = pruned(dir.path()).unwrap();
        assert_eq!((all.segments, all.messages, all.first, all.last), (4001, 12_001, 1, 4001));
        let text = std::fs::read(path_of(dir.path())).unwrap();
        assert!(text.len() as u64 <= FOLD_BYTES_OVER + 300, "{}", text.len());
        assert!(text.windows(foreign.len()).any(|w| w == foreign), "others' lines stay");
    }

    #[test]
    fn those_who_write_at_the_same_time_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for (at, by) in [(0, By::Sinkd), (1500, By::Sinkctl), (3000, By::Sinkctl)] {
                let folder = dir.path();
                scope.spawn(move || {
                    for n in at..at + 1500 {
                        note_pruned(folder, by, &dropped(n + 1, n + 1, 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(pruned(dir.path()).unwrap().messages, 4500);
    }
}
