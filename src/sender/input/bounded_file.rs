//! Files that may not be larger than a bound.
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum BoundedFile {
    /// All of it.
    Whole(Vec<u8>),
    /// It has at least this many octets, more than the bound.
    TooLarge(u64),
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
    let mut octets = Vec::new();
    file.take(max + 1).read_to_end(&mut octets)?;
    let read = octets.len() as u64;
    if read > max { Ok(BoundedFile::TooLarge(read)) } else { Ok(BoundedFile::Whole(octets)) }
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
}
