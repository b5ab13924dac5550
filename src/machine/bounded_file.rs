//! Files that may not be larger than a bound, such as those that users name: a pipe or a device has
//! no end, and memory is bounded.
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum BoundedFile {
    /// All of it.
    Whole(Vec<u8>),
    /// It has at least this many octets, more than the bound.
    TooLarge(u64),
}

/// Why a text was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected at most {} MiB, found more", .bytes_max >> 20)]
pub struct TooLarge {
    /// The bound, in octets: whole MiB.
    pub bytes_max: u64,
}

/// Reads a file of at most `max` octets. The length that the system reports is not trusted: that of
/// a pipe or a device is 0.
///
/// Errors: the file can't be read.
pub fn read_bounded(path: &Path, max: u64) -> io::Result<BoundedFile> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > max {
        return Ok(BoundedFile::TooLarge(bytes));
    }
    read_bounded_from(file, max)
}

fn read_bounded_from(source: impl Read, max: u64) -> io::Result<BoundedFile> {
    let mut octets = Vec::new();
    source.take(max + 1).read_to_end(&mut octets)?;
    let read = octets.len() as u64;
    if read > max { Ok(BoundedFile::TooLarge(read)) } else { Ok(BoundedFile::Whole(octets)) }
}

/// Reads a file of at most `max` octets, whole MiB.
///
/// Errors: the file can't be read, or it is larger ([`TooLarge`]).
pub fn read_at_most(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    whole(read_bounded(path, max)?, max)
}

/// Reads `source` to its end, like [`read_at_most`].
///
/// Errors: it can't be read, or it is larger ([`TooLarge`]).
pub fn read_at_most_from(source: impl Read, max: u64) -> io::Result<Vec<u8>> {
    whole(read_bounded_from(source, max)?, max)
}

/// Reads a text of at most `max` octets, whole MiB.
///
/// Errors: the file can't be read, is larger ([`TooLarge`]), or is not UTF-8.
pub fn read_text_at_most(path: &Path, max: u64) -> io::Result<String> {
    let octets = read_at_most(path, max)?;
    String::from_utf8(octets).map_err(|_| io::Error::new(ErrorKind::InvalidData, NotText))
}

#[derive(Debug, thiserror::Error)]
#[error("expected text in UTF-8, found other octets")]
struct NotText;

fn whole(read: BoundedFile, bytes_max: u64) -> io::Result<Vec<u8>> {
    match read {
        BoundedFile::Whole(octets) => Ok(octets),
        BoundedFile::TooLarge(_) => {
            Err(io::Error::new(ErrorKind::FileTooLarge, TooLarge { bytes_max }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_files_and_for_devices_without_a_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (octets, expected) in [
            (&b""[..], BoundedFile::Whole(Vec::new())),
            (b"1234", BoundedFile::Whole(b"1234".to_vec())),
            (b"12345", BoundedFile::TooLarge(5)),
        ] {
            std::fs::write(&path, octets).unwrap();
            assert_eq!(read_bounded(&path, 4).unwrap(), expected);
        }
        assert_eq!(read_bounded(Path::new("/dev/zero"), 4).unwrap(), BoundedFile::TooLarge(5));
        assert!(read_bounded(&folder.path().join("none"), 4).is_err());
    }

    #[test]
    fn the_error_says_the_bound_for_devices_and_pipes() {
        let says = "expected at most 1 MiB, found more";
        let device = read_text_at_most(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!((device.kind(), device.to_string()), (ErrorKind::FileTooLarge, says.into()));
        let (from, mut into) = io::pipe().unwrap();
        let writer = std::thread::spawn(move || io::copy(&mut io::repeat(b'x'), &mut into));
        assert_eq!(read_at_most_from(from, 1 << 20).unwrap_err().to_string(), says);
        assert!(writer.join().unwrap().is_err());
        let (from, into) = io::pipe().unwrap();
        drop(into);
        assert_eq!(read_at_most_from(from, 1 << 20).unwrap(), b"");
    }
}
