//! Reads concatenated zstd frames as one stream (RFC 8878 section 3).
//!
//! KumoMTA appends frames to its log, and the last one is incomplete while it is being written. All
//! complete blocks of such a frame are read.
use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Maximum window; a frame with a larger one is refused. RFC 8878 recommends that decoders support
/// this much, and `zstd -19` needs it. Decompression takes up to this much memory.
pub const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// The octets at the start of a frame.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The octets at the start of a skippable frame, after the first one (0x50 to 0x5f).
pub(super) const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Maximum length of a frame header without the magic number.
const HEADER_BYTES_MAX: usize = 14;
/// An empty last block and an unverified checksum: completes a frame that was cut off.
const END: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// The decompressed text of all frames of `source`.
pub(super) struct Frames<S> {
    source: Observed<S>,
    decoder: FrameDecoder,
    /// Whether the last frame was incomplete.
    pub is_cut: bool,
    is_ended: bool,
}

impl<S: Read> Frames<S> {
    pub fn new(source: S) -> Frames<S> {
        let source = Observed { inner: source, is_at_end: false };
        Frames { source, decoder: FrameDecoder::new(), is_cut: false, is_ended: false }
    }

    pub fn source(&self) -> &S {
        &self.source.inner
    }

    /// Reads the header of the next frame. `Ok(None)` if there are no more frames.
    fn begin_frame(&mut self) -> io::Result<Option<()>> {
        let mut magic = [0; 4];
        match read_up_to(&mut self.source, &mut magic)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        if magic[1..] == SKIPPABLE && magic[0] >> 4 == 5 {
            return self.skip_frame().map(Some);
        }
        if magic != MAGIC {
            return Err(io::Error::other("neither a frame of zstd nor the end"));
        }
        let mut header = [0; HEADER_BYTES_MAX];
        self.source.read_exact(&mut header[..1])?;
        let length = header_bytes(header[0]);
        self.source.read_exact(&mut header[1..length])?;
        let window = window_bytes(&header[..length]);
        if window > WINDOW_BYTES_MAX {
            return Err(io::Error::other(format!(
                "zstd needs {window} bytes of memory for this, expected up to {WINDOW_BYTES_MAX}: \
                 decompress the file first"
            )));
        }
        let frame = magic.as_slice().chain(&header[..length]);
        self.decoder.init(frame).map_err(io::Error::other)?;
        Ok(Some(()))
    }

    fn skip_frame(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.source.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if skipped < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Decodes slightly more than `bytes`, or begins the next frame.
    fn advance(&mut self, bytes: usize) -> io::Result<Option<()>> {
        if self.decoder.is_finished() {
            return self.begin_frame();
        }
        let decoded =
            self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(bytes));
        decoded.map_err(io::Error::other).map(|_| Some(()))
    }

    /// Makes the decoder return its remaining output of a cut frame.
    fn end_cut_frame(&mut self) -> io::Result<()> {
        (self.is_cut, self.is_ended) = (true, true);
        if !self.decoder.is_finished() {
            let end = self.decoder.decode_blocks(END.as_slice(), BlockDecodingStrategy::All);
            end.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl<S: Read> Read for Frames<S> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.is_ended && !text.is_empty() {
            match self.advance(text.len()) {
                Ok(Some(())) => {}
                Ok(None) => self.is_ended = true,
                // An error at the end of the file is caused by the missing rest.
                Err(_) if self.source.is_at_end => self.end_cut_frame()?,
                Err(error) => return Err(error),
            }
        }
        if self.decoder.can_collect() == 0 { Ok(0) } else { self.decoder.read(text) }
    }
}

/// Returns the length of a header from its first octet, the descriptor (RFC 8878 section 3.1.1.1).
fn header_bytes(descriptor: u8) -> usize {
    let window = usize::from(!is_single_segment(descriptor));
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    1 + window + dictionary + content_size_bytes(descriptor)
}

fn is_single_segment(descriptor: u8) -> bool {
    descriptor & 0x20 != 0
}

fn content_size_bytes(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        flag => 1 << flag,
    }
}

/// Returns the window that a frame needs. `header` is complete, without the magic number.
fn window_bytes(header: &[u8]) -> u64 {
    let descriptor = header[0];
    if !is_single_segment(descriptor) {
        let base = 1_u64 << (10 + (header[1] >> 3));
        return base + base / 8 * u64::from(header[1] & 7);
    }
    let size = &header[header.len() - content_size_bytes(descriptor)..];
    let mut octets = [0; 8];
    octets[..size.len()].copy_from_slice(size);
    let size_bytes = u64::from_le_bytes(octets);
    if size.len() == 2 { size_bytes + 256 } else { size_bytes }
}

/// Reads until `octets` is full or the source ends.
pub(super) fn read_up_to(source: &mut impl Read, octets: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < octets.len() {
        match source.read(&mut octets[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A source that remembers whether a read went beyond its end.
struct Observed<S> {
    inner: S,
    is_at_end: bool,
}

impl<S: Read> Read for Observed<S> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(octets)?;
        self.is_at_end |= read == 0 && !octets.is_empty();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn frame(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn read(octets: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let mut frames = Frames::new(octets);
        let mut text = Vec::new();
        frames.read_to_end(&mut text)?;
        Ok((text, frames.is_cut))
    }

    fn text(number: u8) -> Vec<u8> {
        (0..300_000_u32)
            .map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 29) as u8 + number)
            .collect()
    }

    #[test]
    fn frames_follow_each_other() {
        let skipped = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let file = [frame(&text(0)), skipped.to_vec(), frame(b""), frame(&text(1))].concat();
        let (read, is_cut) = read(&file).unwrap();
        assert!(read == [text(0), text(1)].concat() && !is_cut);
        assert_eq!(super::tests::read(b"").unwrap(), (Vec::new(), false));
    }

    #[test]
    fn whole_blocks_of_a_cut_frame_are_read_wherever_it_is_cut() {
        let first = frame(&text(0));
        let file = [first.clone(), frame(&text(1))].concat();
        let whole = [text(0), text(1)].concat();
        let mut lengths = Vec::new();
        for end in (0..file.len()).step_by(997).chain(file.len() - 8..file.len()) {
            let (text, is_cut) = read(&file[..end]).unwrap();
            assert!(whole.starts_with(&text), "cut at {end}");
            assert_eq!(is_cut, end != 0 && end != first.len(), "cut at {end}");
            lengths.push(text.len());
        }
        // Blocks of 128 KiB are decoded, not only whole frames.
        assert!(lengths.is_sorted() && lengths.contains(&(128 << 10)), "{lengths:?}");
    }

    #[test]
    fn damage_is_an_error() {
        let mut file = [frame(&text(0)), b"more".to_vec()].concat();
        assert!(read(&file).unwrap_err().to_string().starts_with("neither a frame"));
        file[5] = 0xff;
        assert!(read(&file).is_err());
    }

    #[test]
    fn a_window_beyond_the_bound_is_refused_before_memory_is_taken() {
        // 8 MiB, 9 MiB and 3.75 TiB by window; then by the size of a single segment.
        for (header, expected) in [
            (vec![0x00, 13 << 3], WINDOW_BYTES_MAX),
            (vec![0x00, 13 << 3 | 1], 9 << 20),
            (vec![0x00, 0xff], (1 << 41) + 7 * (1 << 38)),
            (vec![0x20, 7], 7),
            (vec![0x60, 1, 0], 257),
            (vec![0xa0, 0, 0, 0, 1], 1 << 24),
            (vec![0xe3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 1 << 32),
        ] {
            assert_eq!(header_bytes(header[0]), header.len());
            assert_eq!(window_bytes(&header), expected);
            let file = [MAGIC.as_slice(), &header].concat();
            let is_refused = read(&file).is_err_and(|e| e.to_string().starts_with("zstd needs"));
            assert_eq!(is_refused, expected > WINDOW_BYTES_MAX);
        }
    }
}
