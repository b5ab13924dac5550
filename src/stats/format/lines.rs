//! A file of whole lines that is only appended to. A full disk or a kill may cut off a line
//! anywhere, which must not make the next line unreadable.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// An open file of lines, which keeps the length of its whole lines to undo a partial write.
#[derive(Debug)]
pub struct LineFile {
    file: File,
    whole_bytes: u64,
    /// Whether the file is longer, because part of a line could not be removed.
    is_torn: bool,
}

impl LineFile {
    /// Opens the file `path`, or creates it. If its last line was cut off, the next append ends
    /// that line first.
    pub fn open(path: &Path) -> io::Result<LineFile> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let whole_bytes = file.seek(SeekFrom::End(0))?;
        let mut last = *b"\n";
        if whole_bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(LineFile { file, whole_bytes, is_torn: last != *b"\n" })
    }

    pub fn is_empty(&self) -> bool {
        self.whole_bytes == 0
    }

    /// Returns the length up to the end of the last line, for [`LineFile::truncate`].
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Appends whole lines. After an error, what was written is removed if possible; otherwise the
    /// next append begins a new line, so that no line is joined to a part of another.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.append_by(lines, |file, lines| file.write_all(lines))
    }

    fn append_by(
        &mut self,
        lines: &[u8],
        write: impl FnOnce(&mut File, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let text = if self.is_torn { [b"\n", lines].concat() } else { lines.to_vec() };
        match write(&mut self.file, &text) {
            Ok(()) => {
                self.whole_bytes = self.file.metadata()?.len();
                self.is_torn = false;
                Ok(())
            }
            Err(error) => {
                // If the file was torn before, its whole length is no longer known, so nothing is
                // removed.
                if !self.is_torn {
                    self.truncate(self.whole_bytes);
                }
                Err(error)
            }
        }
    }

    /// Removes everything after the first `bytes` octets. If that fails, the next append starts a
    /// new line.
    pub fn truncate(&mut self, bytes: u64) {
        match self.file.set_len(bytes) {
            Ok(()) => self.whole_bytes = bytes,
            Err(_) => self.is_torn = true,
        }
    }
}

/// Returns the lines of `text`, each with its number from 0. Separates a line that was cut off from
/// the line written after it: every line starts with `begin`, and is longer.
///
/// Each piece of a line has the number of that line.
pub fn unglued<'a>(text: &'a str, begin: &'static str) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().flat_map(move |(number, line)| {
        // A line may end like the beginning of another: base64 can end in `Tag=` or `Tag==`, and
        // nothing follows.
        let is_end = |rest: &str| rest.bytes().all(|octet| octet == b'=');
        let is_begin = |at: &usize| *at > 0 && !is_end(&line[at + begin.len()..]);
        let at = memchr::memmem::rfind_iter(line.as_bytes(), begin.as_bytes()).find(is_begin);
        let (cut, whole) = line.split_at(at.unwrap_or(0));
        [cut, whole].into_iter().filter(|piece| !piece.is_empty()).map(move |piece| (number, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaves like a full disk: writes half of the text.
    fn half(file: &mut File, text: &[u8]) -> io::Result<()> {
        file.write_all(&text[..text.len() / 2])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_line_that_could_not_be_written_takes_no_other_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let text = || std::fs::read_to_string(&path).unwrap();
        let mut lines = LineFile::open(&path).unwrap();
        lines.append(b"one\n").unwrap();
        lines.append_by(b"never written\n", half).unwrap_err();
        assert_eq!(text(), "one\n");
        lines.append(b"two\n").unwrap();
        assert_eq!(text(), "one\ntwo\n");
        // Killed in the middle of a line; the next start appends after it.
        std::fs::write(&path, "one\ntw").unwrap();
        let mut lines = LineFile::open(&path).unwrap();
        lines.append_by(b"lost\n", half).unwrap_err();
        lines.append(b"three\n").unwrap();
        assert!(text().starts_with("one\ntw") && text().ends_with("\nthree\n"), "{}", text());
    }

    #[test]
    fn text_written_after_a_cut_line_is_a_line() {
        let of = |text| unglued(text, "Tag=").map(|(_, piece)| piece).collect::<Vec<_>>();
        assert_eq!(of("Tag=a,1,xyz=\nTag=b,2\n"), ["Tag=a,1,xyz=", "Tag=b,2"]);
        assert_eq!(of("Tag=a,1,xTag=b,2\n"), ["Tag=a,1,x", "Tag=b,2"]);
        assert_eq!(of("TaTag=b,2\nTag=a,1,Tag=\n"), ["Ta", "Tag=b,2", "Tag=a,1,Tag="]);
        assert_eq!(of("#x\n"), ["#x"]);
        // One histogram in 50,000 ends like this in base64; an earlier version reported damage.
        assert_eq!(of("Tag=a,1,xTag==\n"), ["Tag=a,1,xTag=="]);
        assert_eq!(of("Tag=a,1,xTag=b,2,yTag==\n"), ["Tag=a,1,x", "Tag=b,2,yTag=="]);
    }
}
