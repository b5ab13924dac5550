//! Decompresses a file. gzip and zstd are recognized by their first octets, not by the file name.
use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::zstd::{self, Frames};

/// How a file is compressed, recognized by its first octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// The file is not compressed.
    Plain,
    /// One or more members of gzip (RFC 1952).
    Gzip,
    /// One or more frames of zstd (RFC 8878).
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Plain => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// An unsupported format: its name, and advice for the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnsupportedFormat(pub &'static str, pub &'static str);

/// First octets of files in unsupported formats.
const UNREAD: [(&[u8], UnsupportedFormat); 6] = [
    (b"\xfd7zXZ\0", UnsupportedFormat("compressed by xz", "decompress it with xz -dk")),
    (b"BZh", UnsupportedFormat("compressed by bzip2", "decompress it with bunzip2 -k")),
    (b"\x04\x22\x4d\x18", UnsupportedFormat("compressed by lz4", "decompress it with lz4 -dk")),
    (b"PK\x03\x04", UnsupportedFormat("a zip archive", "unpack it")),
    (b"\xff\xfe", UnsupportedFormat("text in UTF-16", "convert it to UTF-8")),
    (b"\xfe\xff", UnsupportedFormat("text in UTF-16", "convert it to UTF-8")),
];
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Number of octets needed to recognize a format.
const FIRST_BYTES: usize = 6;
/// Bytes per read of the file.
const CHUNK_BYTES: usize = 64 << 10;

/// The file: the octets that were already read, then the rest.
type File<S> = BufReader<CountingReader<io::Chain<Cursor<Vec<u8>>, S>>>;

/// The decompressed text of a file.
pub(super) struct Unpacked<S> {
    stream: Decoder<S>,
    is_cut: bool,
}

enum Decoder<S> {
    Plain(File<S>),
    Gzip(Box<MultiGzDecoder<File<S>>>),
    Zstd(Box<Frames<File<S>>>),
}

impl<S: Read> Unpacked<S> {
    /// Reads the first octets of `source` to recognize its format.
    pub fn new(mut source: S) -> io::Result<Result<Unpacked<S>, &'static UnsupportedFormat>> {
        let mut first = vec![0; FIRST_BYTES];
        let length = zstd::read_up_to(&mut source, &mut first)?;
        first.truncate(length);
        if let Some((_, form)) = UNREAD.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Ok(Err(form));
        }
        let is_gzip = first.starts_with(GZIP);
        let is_skippable =
            first.get(1..4) == Some(&zstd::SKIPPABLE) && (0x50..0x60).contains(&first[0]);
        let is_zstd = first.starts_with(&zstd::MAGIC) || is_skippable;
        let source = CountingReader { inner: Cursor::new(first).chain(source), bytes: 0 };
        let file = BufReader::with_capacity(CHUNK_BYTES, source);
        let stream = if is_gzip {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(file)))
        } else if is_zstd {
            Decoder::Zstd(Box::new(Frames::new(file)))
        } else {
            Decoder::Plain(file)
        };
        Ok(Ok(Unpacked { stream, is_cut: false }))
    }

    pub fn compression(&self) -> Compression {
        match self.stream {
            Decoder::Plain(_) => Compression::Plain,
            Decoder::Gzip(_) => Compression::Gzip,
            Decoder::Zstd(_) => Compression::Zstd,
        }
    }

    /// Returns whether the last member or frame was incomplete. Known only at the end.
    pub fn is_cut(&self) -> bool {
        self.is_cut || matches!(&self.stream, Decoder::Zstd(frames) if frames.is_cut)
    }

    /// Returns the number of bytes of the compressed file read so far, for progress.
    pub fn file_bytes(&self) -> u64 {
        let file = match &self.stream {
            Decoder::Plain(file) => file,
            Decoder::Gzip(gzip) => gzip.get_ref(),
            Decoder::Zstd(frames) => frames.source(),
        };
        file.get_ref().bytes
    }
}

impl<S: Read> Read for Unpacked<S> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Decoder::Plain(file) => file.read(text),
            // At a cut member, the decoder would only fail again.
            Decoder::Gzip(_) if self.is_cut => Ok(0),
            Decoder::Gzip(gzip) => match gzip.read(text) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.is_cut = true;
                    Ok(0)
                }
                read => read,
            },
            Decoder::Zstd(frames) => frames.read(text),
        }
    }
}

/// Counts the octets that pass through.
struct CountingReader<S> {
    inner: S,
    bytes: u64,
}

impl<S: Read> Read for CountingReader<S> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(octets)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(octets: &[u8]) -> io::Result<(Vec<u8>, Compression, bool)> {
        let mut unpacked = Unpacked::new(octets)?.unwrap();
        let mut text = Vec::new();
        unpacked.read_to_end(&mut text)?;
        assert_eq!(unpacked.file_bytes(), octets.len() as u64);
        Ok((text, unpacked.compression(), unpacked.is_cut()))
    }

    #[test]
    fn a_file_is_what_its_first_octets_say() {
        for (octets, expected) in [
            (b"text".to_vec(), Compression::Plain),
            (member(b"text"), Compression::Gzip),
            ([member(b"te"), member(b"xt")].concat(), Compression::Gzip),
        ] {
            assert_eq!(read(&octets).unwrap(), (b"text".to_vec(), expected, false));
        }
        assert_eq!(read(b"").unwrap(), (Vec::new(), Compression::Plain, false));
        assert_eq!(read(b"\x1f").unwrap(), (b"\x1f".to_vec(), Compression::Plain, false));
    }

    #[test]
    fn forms_that_are_not_read_are_named() {
        for (magic, form) in &UNREAD {
            let octets = [magic, b"rest".as_slice()].concat();
            assert_eq!(Unpacked::new(octets.as_slice()).unwrap().err(), Some(form));
        }
    }

    #[test]
    fn gzip_cut_anywhere_is_read_as_far_as_it_goes() {
        let first = member(b"first member\n");
        let file = [first.clone(), member(b"second member\n")].concat();
        for end in 2..file.len() {
            let (text, _, is_cut) = read(&file[..end]).unwrap();
            assert!(b"first member\nsecond member\n".starts_with(&text[..]), "cut at {end}");
            assert_eq!(is_cut, end != first.len(), "cut at {end}");
            assert!(end < first.len() || text.starts_with(b"first member\n"), "cut at {end}");
        }
    }

    #[test]
    fn damaged_gzip_is_an_error() {
        let mut file = member(b"a member that is long enough to be damaged inside\n");
        let sum = file.len() - 8;
        file[sum] ^= 1;
        assert!(read(&file).is_err());
        let file = [member(b"x"), b"trailing text".to_vec()].concat();
        assert!(read(&file).is_err());
    }
}
