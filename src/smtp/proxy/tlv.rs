//! Type-length-values of version 2 (section 2.2).
use super::error::ProxyError;

/// Iterates over consecutive type-length-values; stops at the first error.
pub(super) struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Tlvs<'a> {
        Tlvs { rest }
    }

    /// Returns the octets that have not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[kind, high, low], rest) = self.rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        self.rest = rest;
        Some((kind, value))
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<(u8, &'a [u8]), ProxyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let tlv = self.take();
        if tlv.is_none() {
            self.rest = &[];
        }
        Some(tlv.ok_or(ProxyError::Tlv))
    }
}
