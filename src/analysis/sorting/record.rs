//! A record, and its encoding.
use std::cmp::Ordering;

/// A record. Records are sorted by number, then key, then value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortRecord<'a> {
    /// The first sort criterion: a hash of the key, or the key itself if it is a number.
    pub order: u64,
    /// Records with equal `order` and `key` belong together.
    pub key: &'a [u8],
    /// The data, which is also the last sort criterion.
    pub value: &'a [u8],
}

impl SortRecord<'_> {
    /// Compares number and key; equal records belong together.
    pub fn compare_keys(&self, other: &SortRecord<'_>) -> Ordering {
        (self.order, self.key).cmp(&(other.order, other.key))
    }
}

/// The lengths of the parts of an encoded record, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordShape {
    head_bytes: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl RecordShape {
    /// Returns the length of the encoded record, in octets.
    pub fn bytes(self) -> usize {
        self.head_bytes.saturating_add(self.key_bytes).saturating_add(self.value_bytes)
    }

    /// Returns key and value of the record at the start of `octets`, which must hold all of it.
    pub fn parts(self, octets: &[u8]) -> (&[u8], &[u8]) {
        let octets = &octets[self.head_bytes..];
        let (key, rest) = octets.split_at(self.key_bytes);
        (key, &rest[..self.value_bytes])
    }
}

/// Appends both lengths, then key and value.
pub fn encode(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    push_length(key.len(), out);
    push_length(value.len(), out);
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Returns the shape of the record at the start of `octets`; `None` if they end within its lengths.
pub fn shape(octets: &[u8]) -> Option<RecordShape> {
    let (key_bytes, first) = length(octets)?;
    let (value_bytes, second) = length(&octets[first..])?;
    Some(RecordShape { head_bytes: first + second, key_bytes, value_bytes })
}

/// Appends a length with seven bits per octet, lowest first; all octets but the last have the
/// highest bit set.
fn push_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn length(octets: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (n, octet) in octets.iter().enumerate().take(9) {
        length |= usize::from(octet & 0x7f) << (7 * n);
        if octet & 0x80 == 0 {
            return Some((length, n + 1));
        }
    }
    None
}
